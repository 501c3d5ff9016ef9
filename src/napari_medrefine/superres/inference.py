"""Running a generator over an image of any size, tile by tile, to the same values as in one go.

Tiles are cut in the result. For each one the input around it is read as far as an input pixel
reaches (the halo). Around the image itself lies its mirror image, as far as the network sees: the
zeros that its convolutions would put there mean white, and draw an edge along every border. Memory
is bounded by the tile, besides the result itself.
"""

from __future__ import annotations

from collections.abc import Generator as Iterating
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, colours_of, white_level
from napari_medrefine.progress import Step
from napari_medrefine.superres.consistency import Reduction, drift, drift_reach
from napari_medrefine.superres.enlargement import Enlargement
from napari_medrefine.superres.generator import CUBIC_REACH, Generator, compose, interpolate
from napari_medrefine.superres.resample import Taps, cubic_taps

Floats = npt.NDArray[np.float32]
# The most pixels a side of a tile has, before and after. Larger ones do not fit into a processor's
# cache; of smaller ones the surroundings, computed twice, take a larger share.
_TILE, _TILE_OUT = 512, 1536
_LEAST = 128  # torch sums in another order on very small images: one bit of difference


@dataclass(frozen=True, slots=True)
class Chain:
    """A pass of a generator, then interpolation of what it gave.

    Attributes
    ----------
    generator : Generator or None
        None for plain reduction. It runs where and in the dtype its weights are.
    heads : tuple of int
        The enlargement of each pass; only the first is the generator's.
    strength : float
        How much of the residual is added.
    reduction : Reduction or None
        What takes the result of the first pass back to the input, exactly. Its scale is that of the
        pass.
    enlargement : Enlargement or None
        What an image that is sharpened at its size was made by, from one of half its size; the
        result then gives that one back.
    limits : (float, float)
        Black and white, to which the result will be clipped.
    """

    generator: Generator | None
    heads: tuple[int, ...]
    strength: float = 1.0
    reduction: Reduction | None = None
    enlargement: Enlargement | None = None
    limits: tuple[float, float] = (0.0, 1.0)

    @property
    def factor(self) -> int:
        """How many times larger the last pass leaves the image."""
        return int(np.prod(self.heads, dtype=int))

    @property
    def device(self) -> torch.device:
        """Where the generator's weights are."""
        return torch.device("cpu") if self.generator is None else self.generator.device

    @property
    def multiple(self) -> int:
        """Tiles begin at multiples of this many input pixels."""
        return 1 if self.generator is None else self.generator.multiple

    @property
    def margin(self) -> int:
        """How far around the image its mirror image is read, in input pixels."""
        return 0 if self.generator is None else self.generator.halo

    @property
    def halo(self) -> int:
        """How far an input pixel reaches, in input pixels, rounded up to `multiple`."""
        if self.generator is None:
            return 0
        reach, enlarged = 0.0, 1
        for head in self.heads:
            if self.generator.scales == (1,):  # interpolates first
                reach += self.generator.halo / (enlarged * head) + CUBIC_REACH / enlarged * (
                    head > 1
                )
            else:
                reach += max(self.generator.halo, CUBIC_REACH) / enlarged
            enlarged *= head
        if self.enlargement is not None:
            reach += self.enlargement.reach
        elif self.heads:
            reach += drift_reach(self.heads[0]) + CUBIC_REACH
        if self.reduction is not None:
            reach += self.reduction.reach
        return int(np.ceil(reach / self.multiple)) * self.multiple

    @property
    def _limits(self) -> tuple[float, float]:
        return self.limits[0] - 1, self.limits[1] - 1

    def __call__(self, image: Tensor) -> Tensor:
        """Return `image` ``(1, 3, H, W)``, float32, white at 1, after all passes: new memory."""
        result = image
        for number, head in enumerate(self.heads):
            if self.generator is not None and number == 0:
                result = self._generated(self.generator, result, head)
            else:
                # On its own output, at pixels far finer than any it was trained on, the network
                # turns the traces of its first pass into a grid: what follows is interpolated.
                result = interpolate(result, head)
        return result

    def _generated(self, generator: Generator, image: Tensor, head: int) -> Tensor:
        shades = image - 1
        if head == 1:
            residual = generator.residual(shades, 1).float()
            if self.enlargement is not None:
                residual = self.enlargement.corrected(shades, residual, self._limits)
            else:
                residual = residual - drift(residual, 1)
            return compose(shades, residual, 1, self.strength)
        residual = generator.sub_pixels(shades, head).float()
        residual = residual - drift(residual, head)
        corrected = shades
        if self.reduction is not None:
            residual = residual * self.reduction.share
            corrected = self.reduction.consistent(shades, residual, self._limits)
        # As the residual, so its correction: nothing of both at strength 0.
        return compose(torch.lerp(shades, corrected, self.strength), residual, head, self.strength)


def choose_heads(scales: tuple[int, ...], ratio: float) -> tuple[int, ...]:
    """Return the passes whose product is the least that is not below `ratio`, largest first.

    Among equal products the one with fewer passes: x4 is one pass, not two of x2.
    """
    if ratio <= 1:
        return ()
    if scales == (1,):
        return (int(np.ceil(ratio)),)
    found: list[tuple[int, ...]] = []
    for passes in range(1, 1 + int(np.ceil(np.log(ratio) / np.log(max(scales)) + 1e-9)) + 1):
        found += [
            heads
            for heads in product(sorted(scales, reverse=True), repeat=passes)
            if tuple(sorted(heads, reverse=True)) == heads and np.prod(heads) >= ratio
        ]
    return min(found, key=lambda heads: (np.prod(heads), len(heads)))


def run_steps(
    image: Image, shape: tuple[int, int], chain: Chain, *, tile: int | None = None, text: str = ""
) -> Iterating[Step, None, Image]:
    """Run `chain` over `image`, reduce to `shape` what it enlarged too far; a `Step` per tile.

    Parameters
    ----------
    image : image
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; grey is shown to the network as RGB, alpha is
        interpolated.
    shape : (int, int)
        Rows and columns of the result.
    chain : Chain
        What to do.
    tile : int, optional
        Side of a tile in input pixels; default: what keeps its memory within about 0.3 GB.
    text : str
        For the steps.

    Returns
    -------
    image
        Of the dtype and channels of `image`.

    Raises
    ------
    MedRefineError
        If there is not enough memory.
    """
    job = _Job(image, shape, chain)
    side = tile or min(_TILE, max(1, _TILE_OUT // chain.factor))
    cuts = [_cuts(*lengths, side) for lengths in zip(image.shape, shape, strict=False)]
    tiles = list(product(pairwise(cuts[0]), pairwise(cuts[1])))
    try:
        result = np.empty((*shape, *image.shape[2:]), image.dtype)
        for done, (rows, columns) in enumerate(tiles):
            yield Step(done, len(tiles), text)
            result[slice(*rows), slice(*columns)] = job.part(rows, columns)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MedRefineError(
            f"There is not enough memory for an image of {shape[0]} x {shape[1]} pixels."
        ) from error
    yield Step(len(tiles), len(tiles), text)
    return result


class _Job:
    """An image, what becomes of it, and the values (white, limits) all its tiles share."""

    def __init__(self, image: Image, shape: tuple[int, int], chain: Chain) -> None:
        self.image, self.shape = image, shape
        self.white = np.float32(white_level(image))
        self.limits = (0.0, float(self.white))
        if image.dtype.kind == "f":  # floats may overshoot: keep what was there, add nothing
            self.limits = (min(0.0, float(image.min())), max(float(self.white), float(image.max())))
        black, white = (float(limit / self.white) for limit in self.limits)
        self.chain = replace(chain, limits=(black, white))

    def part(self, rows: tuple[int, int], columns: tuple[int, int]) -> Floats:
        """Return one tile of the result, in its grey levels but in float32."""
        spans = [self._span(axis, *part) for axis, part in enumerate((rows, columns))]
        source = (
            _mirrored(length, *span.source)
            for length, span in zip(self.image.shape, spans, strict=False)
        )
        unit = self.image[np.ix_(*source)].astype(np.float32) / self.white
        done = self._through(np.ascontiguousarray(colours_of(unit)))
        for axis, span in enumerate(spans):
            done = span.fit(done, axis)
        if unit.ndim == 2:
            done = done.mean(axis=2)
        elif unit.shape[2] == 4:
            done = np.concatenate([done, self._alpha(rows, columns)[..., None]], axis=2)
        return self._levels(done)

    def _through(self, colours: Floats) -> Floats:
        if not self.chain.heads:
            return colours
        with torch.inference_mode():
            tensor = torch.from_numpy(colours).permute(2, 0, 1)[None].to(self.chain.device)
            return self.chain(tensor)[0].permute(1, 2, 0).cpu().numpy()

    def _span(self, axis: int, start: int, stop: int) -> _Span:
        n_in, factor = self.image.shape[axis], self.chain.factor
        taps = None
        first, last = start, stop
        if self.shape[axis] != n_in * factor:
            taps = cubic_taps(n_in * factor, self.shape[axis], start, stop)
            first, last = int(taps.index.min()), int(taps.index.max()) + 1
        halo, multiple, least = self.chain.halo, self.chain.multiple, -self.chain.margin
        most = least + -(-(n_in - 2 * least) // multiple) * multiple
        begin = max(least, (first // factor - halo) // multiple * multiple)
        begin = min(begin, max(least, (most - _LEAST) // multiple * multiple))
        end = -(-(-(-last // factor) + halo) // multiple) * multiple
        end = min(most, max(end, begin + _LEAST))
        return _Span(
            (begin, end), (first - begin * factor, last - begin * factor), taps, begin * factor
        )

    def _alpha(self, rows: tuple[int, int], columns: tuple[int, int]) -> Floats:
        taps = [
            cubic_taps(n_in, n_out, *part)
            for n_in, n_out, part in zip(
                self.image.shape[:2], self.shape, (rows, columns), strict=True
            )
        ]
        first = [int(t.index.min()) for t in taps]
        high, wide = (slice(f, int(t.index.max()) + 1) for f, t in zip(first, taps, strict=True))
        plane: Floats = self.image[high, wide, 3].astype(np.float32) / self.white
        for axis in (0, 1):
            plane = _resampled(plane, taps[axis], first[axis], axis)
        return plane

    def _levels(self, unit: Floats) -> Floats:
        levels = np.multiply(unit, self.white, out=unit)  # in place: new memory takes longest here
        np.clip(levels, *self.limits, out=levels)
        return levels if self.image.dtype.kind == "f" else np.rint(levels, out=levels)


@dataclass(frozen=True, slots=True)
class _Span:
    """Along one axis: what to read, what of the enlarged part counts, and how it is reduced."""

    source: tuple[int, int]
    kept: tuple[int, int]
    taps: Taps | None
    offset: int

    def fit(self, part: Floats, axis: int) -> Floats:
        if self.taps is not None:
            return _resampled(part, self.taps, self.offset, axis)
        return part[slice(*self.kept)] if axis == 0 else part[:, slice(*self.kept)]


def _resampled(part: Floats, taps: Taps, offset: int, axis: int) -> Floats:
    """Apply `taps` along `axis`; `part` begins at `offset`. Tap by tap: see `resample`."""
    weight = taps.weight.astype(np.float32)
    shape = [1] * part.ndim
    shape[axis] = len(weight)
    total: Floats | None = None
    for k in range(weight.shape[1]):
        term = np.take(part, taps.index[:, k] - offset, axis) * weight[:, k].reshape(shape)
        total = term if total is None else total + term
    assert total is not None  # noqa: S101 - there is at least one tap
    return total


def _mirrored(length: int, begin: int, end: int) -> npt.NDArray[np.intp]:
    """Return which of `length` pixels are seen at `begin` to `end`, outside the image too."""
    place = np.arange(begin, end) % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)


def _cuts(n_in: int, n_out: int, side: int) -> list[int]:
    """Return where equal tiles of at most `side` input pixels begin and end in the result."""
    count = min(n_out, -(-n_in // side))
    return [n_out * number // count for number in range(count + 1)]
