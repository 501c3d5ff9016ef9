"""Networks of others: their weights, read as numbers only, and run as a `Generator`.

What they add is ``model(x) - interpolate(x)``, so that strength, scales and tiles work as with
ours: at full strength and its own scale the result is the network's own. Nothing else that is known
of our generators holds for them: white need not stay white, grey not grey, and how an image was
reduced cannot be told from them.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_medrefine._atomic import cannot
from napari_medrefine._hashing import sha256_of_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import apart, look_up
from napari_medrefine.superres.foreign_files import (
    ForeignCard,
    container_of,
    damaged,
    shapes_in,
)
from napari_medrefine.superres.generator import Generator, as_sub_pixels, interpolate
from napari_medrefine.superres.reach import reach_of
from napari_medrefine.superres.spandrel_import import spandrel
from napari_medrefine.superres.stopping import let_stop

_SIDE = 768  # pixels of the result: networks of others take up to a gigabyte for these
_SEEN = 1 / 255  # a grey level
# What transformers call the squares they attend within, and U-Nets what their sides must divide by.
_WINDOWS = ("window_size", "split_size", "padder_size")
_USUAL = 8  # U-Nets that halve the image do not all say so
_PURPOSES = {"FaceSR": "for faces", "Inpainting": "for filling holes"}
_NOT_HERE = {
    "MixDehazeNet": "for taking away haze",
    "RetinexFormer": "for brightening dark photographs",
    "HVICIDNet": "for brightening dark photographs",
    "AuraSR": "one that draws other detail at random each time, so that no two tiles fit",
}
# What a state dict that looks like an architecture, but is none, makes its loader raise.
_UNFIT = (RuntimeError, KeyError, ValueError, TypeError, AssertionError, IndexError, AttributeError,
          NotImplementedError, ZeroDivisionError)  # fmt: skip


class ForeignGenerator(Generator):
    """A network that others built and trained.

    Parameters
    ----------
    descriptor : spandrel.ImageModelDescriptor
        Of a network from RGB to RGB.
    name : str
        For messages.

    Raises
    ------
    MedRefineError
        If the network cannot be run.
    """

    settled = False
    may_round = False
    largest = _SIDE

    def __init__(self, descriptor: Any, name: str) -> None:
        super().__init__()
        self.name, self._descriptor, self.network = name, descriptor, descriptor.model
        let_stop(self.network)
        self.scales = (descriptor.scale,)
        self.multiple = _multiple(descriptor)
        reach = reach_of(self._run, descriptor.scale, self.multiple)
        self.halo = reach.halo
        if reach.left > _SEEN:
            self.note = f"tiles of this network do not quite fit each other ({name})"

    def residual(self, shades: Tensor, scale: int) -> Tensor:
        """See `Generator.residual`."""
        image = (shades + 1).clamp_(0, 1).contiguous()
        made = self._run(image.to(self.dtype)).to(shades.dtype)
        look_up()
        return as_sub_pixels(made - interpolate(image, scale), scale)

    def _run(self, image: Tensor) -> Tensor:
        """Return what the network makes of `image`, in memory of its own."""
        count, _, height, width = image.shape
        try:
            made: Tensor = self._descriptor(image.clone())  # some write into what they are given
        except torch.OutOfMemoryError:
            raise
        except _UNFIT as error:
            said = " ".join(str(error).split())[:200]
            raise MedRefineError(f"The network in {self.name} cannot be run: {said}.") from error
        scale = self.scales[0]
        if made.shape != (count, 3, height * scale, width * scale):
            raise MedRefineError(
                f"The network in {self.name} makes {tuple(made.shape)} of {tuple(image.shape)}, "
                f"which is not an image enlarged {scale} times."
            )
        if not torch.isfinite(made).all():
            raise MedRefineError(f"The network in {self.name} makes values that are no numbers.")
        return made


def load_foreign(path: Path) -> tuple[ForeignGenerator, ForeignCard]:
    """Read a weight file of others, build its network, and measure how far it looks.

    Parameters
    ----------
    path : Path
        For which `container_of` tells how it stores weights.

    Raises
    ------
    MedRefineError
        If it is damaged, holds anything but weights, or a network that is of no use here; or if
        spandrel is not installed.
    """
    state = _read_state(path)
    descriptor = _described(path, state)
    _check_use(path, descriptor)
    _check_finite(path, descriptor.model)
    descriptor.model.eval().requires_grad_(requires_grad=False).float()
    generator = ForeignGenerator(descriptor, path.name)
    return generator, _card_of(path, descriptor.scale, descriptor.architecture.name)


def _card_of(path: Path, scale: int, architecture: str) -> ForeignCard:
    """Return what is known of the network in `path`."""
    return ForeignCard(path.name, sha256_of_file(path), scale, architecture)


def _read_state(path: Path) -> dict[str, Any]:
    """Return the tensors in a weight file of others, by name, maybe nested; nothing in it is run.

    Raises
    ------
    MedRefineError
        If it is damaged, or holds anything but weights.
    """
    kind = container_of(path)
    shapes_in(path)  # says what a program is, and what is cut off, better than torch
    try:
        state = load_file(path) if kind == "safetensors" else _unpickled(path)
    except OSError as error:
        raise MedRefineError(cannot("read", path, error)) from error
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error):
            raise MedRefineError(damaged(path)) from error
        raise MedRefineError(
            f"Cannot use {path}: it holds something else than weights, which might run a program; "
            "nothing but weights is ever loaded."
        ) from error
    except (SafetensorError, *_UNFIT, EOFError) as error:
        raise MedRefineError(damaged(path)) from error
    if not isinstance(state, Mapping) or not state:
        raise MedRefineError(f"Cannot use {path}: it holds no weights by name.")
    return dict(state)


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _described(path: Path, state: dict[str, Any]) -> Any:
    library = apart(lambda: spandrel(path))  # its import takes a second or two
    try:
        with torch.random.fork_rng(devices=[]):  # layers draw weights: the user's seed stays
            return library.ModelLoader("cpu").load_from_state_dict(state)
    except library.UnsupportedModelError as error:
        raise MedRefineError(
            f"Cannot use {path}: it has no model card of napari-medrefine, and spandrel knows no "
            "network with such weights."
        ) from error
    except _UNFIT as error:
        raise MedRefineError(
            f"Cannot use {path}: its weights do not fit the network that they look like."
        ) from error


def _check_use(path: Path, descriptor: Any) -> None:
    name = descriptor.architecture.name
    use = _PURPOSES.get(descriptor.purpose) or _NOT_HERE.get(descriptor.architecture.id)
    if use:
        raise MedRefineError(
            f"Cannot use {path}: its network ({name}) is {use}; choose one that magnifies or "
            "sharpens."
        )
    channels = (descriptor.input_channels, descriptor.output_channels)
    if channels != (3, 3):
        raise MedRefineError(
            f"Cannot use {path}: its network ({name}) makes {channels[1]} channels of "
            f"{channels[0]}; only those for colours, 3 of 3, can be used."
        )


def _check_finite(path: Path, network: torch.nn.Module) -> None:
    state = network.state_dict().values()
    if not all(bool(torch.isfinite(t).all()) for t in state if t.is_floating_point()):
        raise MedRefineError(f"Cannot use {path}: its weights are not all finite numbers.")


def _multiple(descriptor: Any) -> int:
    """Return what tiles must begin at multiples of: windows then lie as in the whole picture."""
    sides = {_USUAL, int(descriptor.size_requirements.multiple_of)}
    for module in descriptor.model.modules():
        for name in _WINDOWS:
            value = getattr(module, name, None)
            values = value if isinstance(value, tuple | list) else [value]
            sides |= {side for side in values if isinstance(side, int) and side > 0}
    return math.lcm(*sides)
