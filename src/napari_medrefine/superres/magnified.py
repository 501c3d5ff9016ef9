"""A picture of any size as the networks make it, part by part, when a part is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medrefine import __version__
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import (
    Image,
    is_at_hand,
    sha256_of,
    to_unit,
    white_of_parts,
    windows_of,
)
from napari_medrefine.superres.consistency import Reduction
from napari_medrefine.superres.enlargement import Enlargement
from napari_medrefine.superres.models import weights_of
from napari_medrefine.superres.precision import inference_precision
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.superres.rendering import Levels, Pixels, Rendering

_LARGEST = 3.0e38  # what float32 holds


@dataclass(frozen=True, slots=True)
class Told:
    """What was told from a plane of a picture, once, for all its parts.

    Attributes
    ----------
    levels : Levels
    reduction, enlargement
        See `Chain`.
    """

    levels: Levels
    reduction: Reduction | None = None
    enlargement: Enlargement | None = None


class Magnified:
    """What `magnify` or `sharpen` make of a picture that need not be in memory.

    Parts are the same whatever else is asked for, and the same as of the whole picture at once.
    Only a part of the source is read for each.

    Parameters
    ----------
    source : Pixels
        ``(H, W)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; or ``(H, W, C)`` of other channels,
        each of which is magnified by itself.
    recipe : Recipe
        What to do.
    rgb : bool, optional
        Whether three or four channels are colours; default: yes.
    told : tuple of Told, optional
        What another `Magnified` has told of the same picture, for the same result elsewhere.

    Raises
    ------
    MedRefineError
        If `source` is no picture, the recipe is none, or its model cannot be used.
    """

    def __init__(
        self,
        source: Pixels,
        recipe: Recipe,
        *,
        rgb: bool = True,
        told: tuple[Told, ...] | None = None,
    ) -> None:
        _check(source)
        self.source, self.recipe = source, recipe
        size = recipe.result_shape(source.shape)
        self.shape: tuple[int, ...] = (*size, *source.shape[2:])
        self.dtype = np.dtype(source.dtype)
        planes = list(_planes(source, rgb=rgb))
        self.told = told or tuple(_tell(plane, recipe) for plane in planes)
        self._apart = len(planes) > 1 or planes[0] is not source
        self._renderings = [
            _rendering(plane, size, recipe, one)
            for plane, one in zip(planes, self.told, strict=True)
        ]

    @property
    def note(self) -> str:
        """What a user should know of how it went; empty as long as all is well."""
        return next((one.note for one in self._renderings if one.note), "")

    def fingerprint(self) -> str:
        """Return the SHA-256 of windows all over the source: other pictures have another."""
        digest = hashlib.sha256(f"{tuple(self.source.shape)}{self.dtype.str}".encode())
        for window in windows_of(self.source):
            digest.update(np.ascontiguousarray(window).data)
        return digest.hexdigest()

    def key(self, top: int, left: int, height: int, width: int) -> str:
        """Return what `render` would return another part for if anything about it were other.

        The SHA-256 of the pixels that have a say in the part, of where it lies, of what was told
        from the picture, of the recipe and the weights, and of what computes it.
        """
        digest = hashlib.sha256(self._circumstances.encode())
        digest.update(f"{top} {left} {height} {width}".encode())
        for one in self._renderings:
            digest.update(sha256_of(one.seen((top, top + height), (left, left + width))).encode())
        return digest.hexdigest()

    @cached_property
    def _circumstances(self) -> str:
        recipe = self.recipe
        weights = weights_of(recipe.task, recipe.realism, recipe.model)
        facts = (self.fingerprint(), self.told, replace(recipe, model=None), weights)
        return repr((*facts, inference_precision(), __version__))

    def render(self, top: int, left: int, height: int, width: int) -> Image:
        """Return the part that begins at (top, left), of the dtype and channels of the source."""
        rows, columns = (top, top + height), (left, left + width)
        parts = [one.part(rows, columns).astype(self.dtype) for one in self._renderings]
        return np.stack(parts, axis=-1) if self._apart else parts[0]

    def __getitem__(self, part: tuple[slice, slice]) -> Image:
        rows, columns = (one.indices(n) for one, n in zip(part, self.shape, strict=False))
        return self.render(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


class _Plane:
    """One channel of several."""

    def __init__(self, source: Pixels, channel: int) -> None:
        self._source, self._channel = source, channel
        self.shape, self.dtype = source.shape[:2], source.dtype

    def __getitem__(self, part: Any) -> npt.NDArray[np.generic]:
        return np.asarray(self._source[part])[..., self._channel]


def _check(source: Pixels) -> None:
    if len(source.shape) not in (2, 3) or 0 in source.shape:
        raise MedRefineError(
            f"The picture has shape {tuple(source.shape)}; it must be (H, W) or (H, W, channels)."
        )
    dtype = np.dtype(source.dtype)
    if dtype not in (np.uint8, np.uint16) and dtype.kind != "f":
        raise MedRefineError(f"The picture is {dtype}; it must be uint8, uint16 or float.")


def _planes(source: Pixels, *, rgb: bool) -> Iterator[Pixels]:
    if len(source.shape) == 2 or (rgb and source.shape[2] in (3, 4)):
        yield source
        return
    for channel in range(source.shape[2]):
        in_memory = isinstance(source, np.ndarray)
        yield source[..., channel] if in_memory else _Plane(source, channel)


def _rendering(plane: Pixels, size: tuple[int, int], recipe: Recipe, told: Told) -> Rendering:
    chain = recipe.chain(plane.shape, told.reduction, told.enlargement)
    return Rendering(plane, size, chain, told.levels)


def _tell(plane: Pixels, recipe: Recipe) -> Told:
    if is_at_hand(plane):
        whole = np.asarray(plane[:, :])
        return Told(Levels.of(whole), *recipe.origin(plane.shape, whole))
    windows = list(windows_of(plane))
    levels = _levels(windows)
    even = plane.shape[0] % 2 == 0 and plane.shape[1] % 2 == 0
    if recipe.task == "sharpen" and not even:
        return Told(levels)
    # As floats, whose white is 1: by itself, the window may seem to have another.
    sample = to_unit(max(windows, key=_change), levels.white)
    sample = sample if plane.dtype.kind == "f" else np.minimum(sample, 1)
    return Told(levels, *recipe.origin(plane.shape, sample))


def _change(window: Image) -> float:
    colour = window if window.ndim == 2 else window[..., 1]  # green: both stains show
    return float(np.abs(np.diff(colour.astype(np.float32), axis=1)).sum())


def _levels(windows: list[Image]) -> Levels:
    """Return grey levels for a picture of which only some windows have been seen.

    What the rest may hold is not cut off.
    """
    white = white_of_parts(windows)
    if windows[0].dtype.kind == "f":
        return Levels(white, -_LARGEST, _LARGEST)
    return Levels(white, 0.0, white)
