"""What a weight file of others is, seen without torch and without running anything in it.

Such a file holds names and numbers only: the architecture follows from them. Here only names and
shapes are looked at, so that a window may ask at once; whether the network can be built and run is
found out by `foreign`, in a job.
"""

from __future__ import annotations

import json
import math
import pickletools
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from napari_medrefine._atomic import cannot
from napari_medrefine._paths import open_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.cards import Task

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
Container = Literal["safetensors", "zip", "pickle"]
Shapes = Mapping[str, tuple[int, ...]]
_LONGEST = 10_000_000  # bytes of a list of names; of the largest networks it has a few 100,000
_PICKLES = 4  # before the numbers in a file of PyTorch before 1.6: two numbers, the system, names
_NAMED = re.compile(r"(?:^|[^a-z0-9])(?:x([1-8])|([1-8])x)(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ForeignCard:
    """What is known of a network of others: there is no model card.

    Attributes
    ----------
    name : str
        Of its file.
    sha256 : str
        Of its file.
    scale : int
        Its enlargement.
    architecture : str
        What spandrel calls it, e.g. ``"ESRGAN"``.
    """

    name: str
    sha256: str
    scale: int
    architecture: str

    @property
    def task(self) -> Task:
        """What it can do."""
        return task_of(self.scale)


def task_of(scale: int) -> Task:
    """Return what a network is for that enlarges so many times."""
    return "sharpen" if scale == 1 else "magnify"


def container_of(path: Path) -> Container | None:
    """Return how a file of others stores its weights; None if it is ours, or none at all.

    By its content, whatever its name ends in.

    Raises
    ------
    MedRefineError
        If it cannot be read.
    """
    try:
        with open_file(path) as file:
            start = file.read(8)
            if start.startswith(b"PK\x03\x04"):
                return "zip"
            if start.startswith(b"\x80") and start[1:2] <= b"\x05":
                return "pickle"
            header = _header(file, start)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    if header is None or "card" in header.get("__metadata__", {}):
        return None
    return "safetensors"


def scale_in(path: Path) -> int | None:
    """Return how many times a network of others enlarges, as far as names and shapes tell.

    Parameters
    ----------
    path : Path
        For which `container_of` tells how it stores weights.

    Returns
    -------
    int or None
        None where neither the tensors nor the file's name tell.

    Raises
    ------
    MedRefineError
        If the file is damaged or holds a program.
    """
    return _scale(shapes_in(path)) or _named_scale(path.name)


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors in a file, as far as they are found.

    Raises
    ------
    MedRefineError
        As `scale_in`.
    """
    try:
        with open_file(path) as file:
            if zipfile.is_zipfile(file):
                return _zipped(path)
            file.seek(0)
            header = _header(file, file.read(8))
            if header is not None:
                return {n: tuple(t["shape"]) for n, t in header.items() if n != "__metadata__"}
            file.seek(0)
            found: dict[str, tuple[int, ...]] = {}
            for _ in range(_PICKLES):
                found |= _pickled(file)
            return found
    except MedRefineError:  # it is a ValueError, too
        raise
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise MedRefineError(damaged(path)) from error


def damaged(path: Path) -> str:
    """Return the sentence on a file that holds no weights, or not all of them."""
    return f"Cannot read {path}: it is damaged, or holds no PyTorch weights."


def _header(file: IO[bytes], start: bytes) -> dict[str, dict[str, list[int]]] | None:
    """Return the header of a safetensors file, of which `start` has been read; None: no such."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= length <= _LONGEST:
        return None
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        return None
    whole = isinstance(header, dict) and all(isinstance(one, dict) for one in header.values())
    return header if whole else None


def _zipped(path: Path) -> dict[str, tuple[int, ...]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("constants.pkl") for name in names):
            raise MedRefineError(
                f"Cannot use {path}: it is a TorchScript program, not weights, and no program in a "
                "model file is ever run."
            )
        listed = next(name for name in [*names, ""] if name.endswith("data.pkl") or not name)
        if not listed or archive.getinfo(listed).file_size > _LONGEST:
            raise MedRefineError(damaged(path))
        with archive.open(listed) as stream:
            return _pickled(stream)


def _pickled(stream: IO[bytes]) -> dict[str, tuple[int, ...]]:
    """Return names and shapes in a pickle, which is taken apart and not run.

    A tensor is written as: its name, how to build it, its storage (a persistent id), where in that
    it begins, its shape as a tuple of integers.
    """
    found: dict[str, tuple[int, ...]] = {}
    name = ""
    numbers: list[int] | None = None
    for code, argument, _ in pickletools.genops(stream):
        if code.name == "BINPERSID":
            numbers = []
        elif isinstance(argument, str) and "UNICODE" in code.name and "." in argument:
            name = argument
        elif numbers is None:
            continue
        elif isinstance(argument, int) and code.name.startswith(("BININT", "LONG")):
            numbers.append(argument)
        elif code.name.endswith(("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")):
            found[name], numbers = tuple(numbers[1:]), None
    return found


def _named_scale(name: str) -> int | None:
    """Return the scale that a file is named after, as in ``4x-name.pth`` or ``name_x2plus.pth``."""
    found = _NAMED.search(name)
    return int(found[1] or found[2]) if found else None


def _scale(shapes: Shapes) -> int | None:
    """Return the enlargement that the layers of the usual architectures show."""
    stems = {
        name.removesuffix(".weight").removeprefix("module."): shape
        for name, shape in shapes.items()
        if len(shape) == 4 and name.endswith(".weight")
    }
    found = _straight(stems) or _stepwise(stems)
    return found if found and 1 <= found <= 16 else None


def _straight(layers: Shapes) -> int | None:
    """Of networks whose last layer makes all sub-pixels of the three colours (Compact, SPAN)."""
    body = [name for name in layers if re.fullmatch(r"body\.\d+", name)]
    ends = ["upsampler.0", "upsample.0", "to_img.0"]
    if body and len(body) > len(layers) // 2:
        ends.insert(0, max(body, key=lambda name: int(name[5:])))
    for end in ends:
        outputs = layers.get(end, (0,))[0]
        scale = math.isqrt(outputs // 3)
        if outputs and 3 * scale * scale == outputs:
            return scale
    return None


def _stepwise(layers: Shapes) -> int | None:
    """Of networks that enlarge step by step: ESRGAN, SwinIR, RCAN and their relatives."""
    first = layers.get("conv_first") or layers.get("model.0") or layers.get("head.0")
    if first is None or first[1] % 3:
        return None
    unshuffled = math.isqrt(first[1] // 3)
    top = [name for name in layers if re.fullmatch(r"model\.\d+", name)]
    if "model.0" in layers:
        return int(2 ** max(0, len(top) - 3)) // unshuffled
    doubled = sum(bool(re.fullmatch(r"(conv_up|upconv)\d", name)) for name in layers)
    grown = [
        math.isqrt(shape[0] // shape[1])
        for name, shape in layers.items()
        if re.fullmatch(r"(upsample|tail\.0)\.\d+", name) and shape[0] > shape[1]
    ]
    return int(2**doubled) * math.prod(grown) // unshuffled
