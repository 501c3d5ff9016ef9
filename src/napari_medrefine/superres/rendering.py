"""An image as a chain makes it, of which any part can be made, to the same values as the whole.

For each part the input around it is read as far as an input pixel reaches (the halo). Around the
image itself lies its mirror image, as far as the network sees: the zeros that its convolutions
would put there mean white, and draw an edge along every border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from napari_medrefine._resample import Taps, cubic_taps
from napari_medrefine.images import Image, colours_of, largest_of, white_level
from napari_medrefine.superres.chain import Chain

Floats = npt.NDArray[np.float32]
Range = tuple[int, int]
_LEAST = 128  # torch sums in another order on very small images: one bit of difference


class Pixels(Protocol):
    """An image in memory or on disk: NumPy, Zarr and Dask arrays are such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``."""

    @property
    def dtype(self) -> Any:
        """uint8, uint16 or float."""

    def __getitem__(self, part: Any) -> Any:
        """Return the part between two rows and two columns (slices)."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Grey levels that all parts of an image share.

    Attributes
    ----------
    white : float
        See `images.white_level`.
    least, most : float
        To which the result is clipped; of whole numbers, what is hot in the image stays above.
    """

    white: float
    least: float
    most: float

    @classmethod
    def of(cls, image: Image) -> Levels:
        """Return those of an image that is there as a whole."""
        white = white_level(image)
        if image.dtype.kind == "f":  # may overshoot: keep what was there, add nothing
            return cls(white, min(0.0, float(image.min())), max(white, float(image.max())))
        return cls(white, 0.0, white)


class Rendering:
    """What becomes of `source`.

    Parameters
    ----------
    source : Pixels
        The image.
    shape : (int, int)
        Rows and columns of the result; what the chain enlarges too far is reduced.
    chain : Chain
        What to do.
    levels : Levels
        Of the image.

    Attributes
    ----------
    note : str
        What a user should know of how it went; empty as long as all is well.
    """

    def __init__(self, source: Pixels, shape: Range, chain: Chain, levels: Levels) -> None:
        self.source, self.shape, self.levels = source, shape, levels
        self.white = np.float32(levels.white)
        black, white = (float(limit / self.white) for limit in (levels.least, levels.most))
        self.chain = replace(chain, limits=(black, white))
        self.note = chain.generator.note if chain.generator else ""

    def part(self, rows: Range, columns: Range) -> Floats:
        """Return a part of the result, in its grey levels but in float32.

        Parameters
        ----------
        rows, columns : (int, int)
            The first, and one more than the last.
        """
        if max(rows[1] - rows[0], columns[1] - columns[0]) > (self.chain.largest or np.inf):
            return self._in_quarters(rows, columns)
        try:
            return self._part(rows, columns)
        except torch.OutOfMemoryError:
            if self.chain.device.type == "cpu":
                raise
        return self._with_less_memory(rows, columns)

    def seen(self, rows: Range, columns: Range) -> Image:
        """Return all of the source that has a say in a part of the result."""
        spans = [self._span(axis, *part) for axis, part in enumerate((rows, columns))]
        return self._read(*(span.source for span in spans))

    def _part(self, rows: Range, columns: Range) -> Floats:
        spans = [self._span(axis, *part) for axis, part in enumerate((rows, columns))]
        unit = self._read(*(span.source for span in spans)).astype(np.float32) / self.white
        colours = np.ascontiguousarray(colours_of(unit))
        hot = self.source.dtype.kind == "u" and colours.max() > 1
        done = self._through(np.minimum(colours, np.float32(1)) if hot else colours)
        for axis, span in enumerate(spans):
            done = span.fit(done, axis)
        if unit.ndim == 2:
            done = done.mean(axis=2)
        levels = self._graded(done)
        if hot:
            above = self._interpolated(rows, columns, self._above_white)
            levels = np.minimum(levels + above, largest_of(self.source.dtype))
        if unit.shape[2:] == (4,):
            alpha = self._interpolated(rows, columns, lambda part: part[..., 3:])
            levels = np.concatenate([levels, alpha], axis=2)
        return levels

    def _with_less_memory(self, rows: Range, columns: Range) -> Floats:
        """Make a part, for which the graphics card is too small, from quarters or on the CPU."""
        torch.cuda.empty_cache()
        if max(rows[1] - rows[0], columns[1] - columns[0]) < 2 * _LEAST * self.chain.factor:
            self.chain = self.chain.on(torch.device("cpu"))
            self.note = "the graphics card has too little memory: this runs on the processor"
            return self._part(rows, columns)
        self.note = "the graphics card has little memory: smaller tiles"
        return self._in_quarters(rows, columns)

    def _in_quarters(self, rows: Range, columns: Range) -> Floats:
        halves = [_halves(part) for part in (rows, columns)]
        lines = [[self.part(high, wide) for wide in halves[1]] for high in halves[0]]
        return np.concatenate([np.concatenate(line, axis=1) for line in lines])

    def _read(self, rows: Range, columns: Range) -> Image:
        """Return a part of the source; what lies outside is mirrored."""
        seen = [
            _mirrored(length, *span)
            for length, span in zip(self.source.shape, (rows, columns), strict=False)
        ]
        first = [int(places.min()) for places in seen]
        high, wide = (slice(f, int(s.max()) + 1) for f, s in zip(first, seen, strict=True))
        there: Image = np.asarray(self.source[high, wide])
        return there[np.ix_(*(places - f for places, f in zip(seen, first, strict=True)))]

    def _through(self, colours: Floats) -> Floats:
        if not self.chain.heads:
            return colours
        with torch.inference_mode():
            tensor = torch.from_numpy(colours).permute(2, 0, 1)[None].to(self.chain.device)
            return self.chain(tensor)[0].permute(1, 2, 0).cpu().numpy()

    def _span(self, axis: int, start: int, stop: int) -> _Span:
        n_in, factor = self.source.shape[axis], self.chain.factor
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

    def _above_white(self, part: Image) -> Floats:
        """Return what a network knows nothing of: how far hot pixels are brighter than white."""
        colours = part[..., :3] if part.ndim == 3 else part
        above: Floats = np.maximum(colours.astype(np.float32) - self.white, 0)
        return above

    def _interpolated(
        self, rows: Range, columns: Range, chosen: Callable[[Image], Image]
    ) -> Floats:
        """Return a part of the result as interpolation makes it of what is chosen of the source."""
        taps = [
            cubic_taps(n_in, n_out, *part)
            for n_in, n_out, part in zip(
                self.source.shape[:2], self.shape, (rows, columns), strict=True
            )
        ]
        first = [int(t.index.min()) for t in taps]
        high, wide = (slice(f, int(t.index.max()) + 1) for f, t in zip(first, taps, strict=True))
        part: Floats = chosen(np.asarray(self.source[high, wide])).astype(np.float32)
        for axis in (0, 1):
            part = taps[axis].applied(part, axis, first[axis])
        if self.source.dtype.kind == "f":
            return np.clip(part, self.levels.least, self.levels.most)
        return np.clip(np.rint(part), 0, largest_of(self.source.dtype))

    def _graded(self, unit: Floats) -> Floats:
        levels = np.multiply(unit, self.white, out=unit)  # in place: new memory takes longest here
        np.clip(levels, self.levels.least, self.levels.most, out=levels)
        return levels if self.source.dtype.kind == "f" else np.rint(levels, out=levels)


@dataclass(frozen=True, slots=True)
class _Span:
    """Along one axis: what to read, what of the enlarged part counts, and how it is reduced."""

    source: Range
    kept: Range
    taps: Taps | None
    offset: int

    def fit(self, part: Floats, axis: int) -> Floats:
        if self.taps is not None:
            return self.taps.applied(part, axis, self.offset)
        return part[slice(*self.kept)] if axis == 0 else part[:, slice(*self.kept)]


def _mirrored(length: int, begin: int, end: int) -> npt.NDArray[np.intp]:
    """Return which of `length` pixels are seen at `begin` to `end`, outside the image too."""
    place = np.arange(begin, end) % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)


def _halves(part: Range) -> list[Range]:
    middle = (part[0] + part[1]) // 2
    return [half for half in ((part[0], middle), (middle, part[1])) if half[0] < half[1]]
