"""Pictures that a network made: the same again, block by block.

A computer that computes in bfloat16 rounds otherwise than one with float32: of the shipped models
that was measured to change a value by 3 of 255 at most, and by 0.1 on average. So much is let pass
where the two differ, and one grey level where they do not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_medrefine._photos.scale import plausible
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, white_level, white_of
from napari_medrefine.io.slides import open_slide
from napari_medrefine.photos import read_photo, write_image
from napari_medrefine.progress import Step
from napari_medrefine.provenance import Input, Provenance
from napari_medrefine.superres.made import made_um, recipe_of
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.verify.inputs import Folders, find_file, find_photo, not_known
from napari_medrefine.verify.report import Report

T = TypeVar("T")
BLOCK = 512  # pixels of the result a side
SAMPLE = 12  # blocks that are made again unless all are asked for
WHITE = 255.0
SIZE = 1e-3  # share of a pixel size that its file may round


@dataclass(frozen=True)
class Allowed:
    """How far pixels may be apart, in 255ths of white: at most, and on average."""

    most: float
    mean: float


@dataclass(frozen=True, eq=False)
class Source:
    """What a picture was made from.

    Attributes
    ----------
    pixels : array
        In memory, or on disk.
    rgb : bool
        Whether three or four channels are colours.
    sides_um : (float, float) or None
        Height and width of a pixel in micrometres.
    """

    pixels: Any
    rgb: bool
    sides_um: tuple[float, float] | None

    def made_um(self, shape: Sequence[int]) -> tuple[float, float] | None:
        """Return height and width of a pixel of a result, if a file can say them."""
        each = zip(self.sides_um or (), self.pixels.shape, shape, strict=False)
        sides = [plausible(side * before / after) for side, before, after in each]
        return (sides[0], sides[1]) if sides and sides[0] and sides[1] else None


SAME_PRECISION, OTHER_PRECISION = Allowed(1.0, 0.05), Allowed(6.0, 0.25)


@dataclass
class Apart:
    """How far the pixels seen so far are apart, in 255ths of white."""

    most: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, found: Image, again: Image, white: float) -> None:
        """Compare two parts."""
        one, other = found.astype(np.float64), again.astype(np.float64)
        apart = np.abs(one - other) * (WHITE / white)
        apart[np.isnan(one) & np.isnan(other)] = 0.0
        self.most = float(np.maximum(self.most, apart.max()))  # of NaN, NaN: so it differs
        self.total, self.count = self.total + float(apart.sum()), self.count + apart.size

    @property
    def mean(self) -> float:
        """On average."""
        return self.total / max(self.count, 1)


def check_weights(made: Provenance, recipe: Recipe, report: Report) -> bool:
    """Return whether the weights are those that were used; report what is so."""
    from napari_medrefine.superres.models import weights_of

    try:
        now = weights_of(recipe.task, recipe.realism, recipe.model)
    except MedRefineError as error:
        report.problems.append(f"The weights are missing: {error}")
        return False
    wanted = {one.sha256: one.name for one in made.weights}
    there = {one["sha256"]: one["name"] for one in now}
    told, names = ", ".join(wanted.values()), ", ".join(there.values())
    if wanted.keys() != there.keys():
        report.problems.append(f"The weights {told} are others than those that were used.")
        return False
    report.confirmed.append(f"The weights {names} are those that were used.")
    if wanted != there:
        report.remarks.append(f"It calls these weights {told}.")
    return True


def verify_photo(
    path: Path, made: Provenance, folders: Folders, report: Report
) -> Generator[Step, None, None]:
    """Make a photo again as a whole, as such a file holds it, and compare."""
    from napari_medrefine.superres.api import generate_steps

    recipe = recipe_of(made, folders.places)
    source = _source(made, folders, report)
    if not check_weights(made, recipe, report) or source is None:
        return
    again = yield from generate_steps(np.asarray(source.pixels), recipe)
    with tempfile.TemporaryDirectory() as folder:  # as the file's format rounds it
        copy = Path(folder) / f"again{path.suffix}"
        side = source.sides_um[0] if source.sides_um else None
        write_image(copy, again, pixel_um=made_um(side, source.pixels.shape, again.shape))
        anew = read_photo(copy)
    photo = read_photo(path)
    found, again = photo.image, anew.image
    if found.shape != again.shape or found.dtype != again.dtype:
        report.problems.append(other_kind(found, again))
        return
    apart = Apart()
    apart.add(found, again, white_level(found))
    judge(apart, made, report, "The whole picture")
    told, wanted = ((one.pixel_um,) * 2 if one.pixel_um else None for one in (photo, anew))
    judge_size(told, wanted, report, sure=True)


def verify_pixels(
    pixels: Any,
    made: Provenance,
    folders: Folders,
    report: Report,
    *,
    sides_um: tuple[float, float] | None,
    everything: bool,
    seed: int = 0,
) -> Generator[Step, None, None]:
    """Make parts of a picture of any size again, or all of it, and compare.

    Parameters
    ----------
    pixels : array
        What the file holds, perhaps lazily: ``(H, W)`` or ``(H, W, channels)``.
    sides_um : (float, float) or None
        What it says of height and width of a pixel, in micrometres.
    """
    from napari_medrefine.superres.magnified import Magnified

    recipe = recipe_of(made, folders.places)
    source = _source(made, folders, report)
    if not check_weights(made, recipe, report) or source is None:
        return
    yield Step(0, 1, "Looking at the input ...")
    again = Magnified(source.pixels, recipe, rgb=source.rgb)
    if not _same_windows(made, again, report):
        return
    found = tuple(pixels.shape)
    if found != again.shape or np.dtype(pixels.dtype) != again.dtype:
        report.problems.append(other_kind(pixels, again))
        return
    blocks = list(_blocks(found[:2]))
    chosen = blocks if everything else sample(blocks, SAMPLE, seed)
    white, apart = white_of(source.pixels), Apart()
    for done, (rows, cols) in enumerate(chosen):
        yield Step(done, len(chosen), "Making it again")
        part = np.asarray(pixels[rows, cols])
        apart.add(part, again[rows, cols], white)
    share = (
        "All of it"
        if len(chosen) == len(blocks)
        else f"A sample of {len(chosen)} of {len(blocks)} blocks (--all takes all)"
    )
    judge(apart, made, report, share)
    # Of a layer nobody knows what pixel size it had: napari, and its user, may have set it.
    sure = _hash_of(made, "file") is not None
    judge_size(sides_um, source.made_um(found), report, sure=sure)


def only(made: Provenance) -> Input:
    """Return what a picture was made from; of one input there may be several hashes."""
    if not made.inputs:
        raise MedRefineError("The provenance names no input.")
    return made.inputs[0]


def _source(made: Provenance, folders: Folders, report: Report) -> Source | None:
    """Return what it was made from, if that is there and as it was."""
    one = only(made)
    part = one.planes or (one.of != "pixels" and (one.rows or one.cols))
    if one.level or part:
        which = f"level {one.level}" if one.level else "a part"
        report.problems.append(f"It was made from {which} of {one.name}, which is not found again.")
        return None
    find = _in_photo if one.of == "pixels" else _on_disk
    source = find(made, folders, report)
    if source is not None and one.shape not in ((), tuple(source.pixels.shape)):
        report.problems.append(
            f"It says that the input is {one.shape}, and that is {tuple(source.pixels.shape)}."
        )
    return source


def _in_photo(made: Provenance, folders: Folders, report: Report) -> Source | None:
    one = only(made)
    where = tuple(slice(*span) if span else slice(None) for span in (one.rows, one.cols))
    photo = find_photo(folders, one.name, one.sha256, report, lambda image: image[where])
    if photo is None:
        return None
    sides_um = None if photo.pixel_um is None else (photo.pixel_um, photo.pixel_um)
    return Source(photo.image[where], True, sides_um)


def _on_disk(made: Provenance, folders: Folders, report: Report) -> Source | None:
    name, sha256 = only(made).name, _hash_of(made, "file")
    path = find_file(folders, name, sha256, report)
    if path is None:
        return None
    if sha256 is None and _hash_of(made, "windows") is None:
        report.remarks.append(not_known(name))
    slide = open_slide(path)
    return Source(slide.levels[0], slide.rgb, slide.sides_um)


def _hash_of(made: Provenance, what: str) -> str | None:
    return next((one.sha256 for one in made.inputs if one.of == what), None)


def _same_windows(made: Provenance, again: Any, report: Report) -> bool:
    """Return whether the windows of a large input are those that they were, if that is noted."""
    noted = _hash_of(made, "windows")
    if noted is None:
        return True
    if again.fingerprint() != noted:
        report.problems.append("The input has other pixels than it had.")
        return False
    report.confirmed.append("The input has the pixels that it had (in windows all over it).")
    return True


def _blocks(size: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    for top in range(0, size[0], BLOCK):
        for left in range(0, size[1], BLOCK):
            yield slice(top, min(top + BLOCK, size[0])), slice(left, min(left + BLOCK, size[1]))


def sample(parts: list[T], most: int, seed: int = 0) -> list[T]:
    """Return at most so many of the parts of something, always the same."""
    if len(parts) <= most:
        return parts
    chosen = np.random.default_rng(seed).choice(len(parts), most, replace=False)
    return [parts[number] for number in sorted(chosen)]


def other_kind(found: Any, again: Any) -> str:
    """Return the sentence for a result of another shape or dtype."""
    return (
        f"It is {tuple(found.shape)} {found.dtype}, and made again {tuple(again.shape)} "
        f"{again.dtype}."
    )


def judge(apart: Apart, made: Provenance, report: Report, what: str) -> None:
    """Report how far `what` is from what was made again, and whether that may be."""
    from napari_medrefine.superres.precision import inference_precision

    here = inference_precision()
    now = f"{here.device} {here.dtype}"
    same = made.computed in ("", now)
    allowed = SAME_PRECISION if same else OTHER_PRECISION
    far = f"pixels differ by at most {apart.most:.2f} of 255, on average by {apart.mean:.3f}"
    if apart.most == 0:
        report.confirmed.append(f"{what} was made again: identical.")
    elif apart.most <= allowed.most and apart.mean <= allowed.mean:
        why = "rounding" if same else f"rounding: made on {made.computed}, verified on {now}"
        report.confirmed.append(f"{what} was made again: {far} ({why}).")
    else:
        report.problems.append(f"{what} was made again: {far}.")


def judge_size(
    told: tuple[float, float] | None,
    wanted: tuple[float, float] | None,
    report: Report,
    *,
    sure: bool,
) -> None:
    """Report whether the pixel size that a file tells is that which follows from the input's.

    Parameters
    ----------
    told, wanted : (float, float) or None
        Height and width in micrometres, as far as they are known.
    sure : bool
        Whether it was made from the input's file, and not from a layer.
    """
    if (told is None) == (wanted is None) and np.allclose(told or 0, wanted or 0, rtol=SIZE):
        if told:
            report.confirmed.append(f"Its pixel size, {_size(told)}, follows from the input's.")
    elif sure:
        report.problems.append(
            f"Its pixel size is {_size(told)}, and by the input's it is {_size(wanted)}."
        )
    else:
        report.remarks.append(
            f"Its pixel size is {_size(told)}, and by the input's file it were {_size(wanted)}: "
            "what the layer had that it was made from is not known."
        )


def _size(sides: tuple[float, float] | None) -> str:
    return "unknown" if sides is None else f"{sides[0]:.4g} x {sides[1]:.4g} um"
