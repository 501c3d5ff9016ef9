"""The coarser levels of a picture, which are what one sees of it from afar.

They are means of the finer ones, made without a network: the same on every computer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from napari_medrefine.io.pyramid_writer import TILE, Pixels, doubled, halved, level_sizes
from napari_medrefine.io.slides import Slide, Stack, levels_are_placed
from napari_medrefine.progress import Step
from napari_medrefine.verify.pictures import SAMPLE, sample
from napari_medrefine.verify.report import Report

Part = tuple[slice, ...]


def verify_levels(
    picture: Slide | Stack, report: Report, *, everything: bool
) -> Generator[Step, None, None]:
    """Compare every coarser level, or parts of it, with what the writers make of the finer one."""
    axes = picture.axes if isinstance(picture, Stack) else "yxc"
    rows, cols = axes.index("y"), axes.index("x")
    levels: Sequence[Any] = picture.levels
    sizes = [(level.shape[rows], level.shape[cols]) for level in levels]
    if sizes != level_sizes(*sizes[0]):
        report.problems.append(f"Its levels have other sizes than they are written with: {sizes}.")
        return
    if picture.path.is_dir() and not levels_are_placed(picture.path):
        report.problems.append(
            "Of a coarser level it notes another pixel size or place than that of means of 2 x 2 "
            "pixels of the finer one."
        )
    wrong, all_seen = [], True
    for number, (finer, level) in enumerate(pairwise(levels), start=1):
        parts = list(_parts(level, axes))
        chosen = parts if everything else sample(parts, SAMPLE)
        all_seen &= len(chosen) == len(parts)
        for done, part in enumerate(chosen):
            yield Step(done, len(chosen), f"Comparing level {number}")
            wanted = _means(np.asarray(finer[_finer(part, (rows, cols), finer.shape)]), rows, cols)
            if not np.array_equal(np.asarray(level[part]), wanted, equal_nan=True):
                wrong.append(str(number))
                break
    if wrong:
        report.problems.append(
            f"Of its coarser levels (level 0 is the finest), {', '.join(wrong)} "
            f"{'is' if len(wrong) == 1 else 'are'} not what is made of the finer one."
        )
    elif len(sizes) > 1:
        how = "" if all_seen else f", by a sample of {SAMPLE} blocks of each (--all takes all)"
        report.confirmed.append(f"Its coarser levels are what is made of the finer ones{how}.")


def _parts(level: Any, axes: str) -> Iterator[Part]:
    """Yield tiles, each of as many planes or colours as are stored as one."""
    sides = (TILE if axis in "yx" else side for axis, side in zip(axes, level.chunks, strict=False))
    yield from product(
        *(
            [slice(start, min(start + side, length)) for start in range(0, length, side)]
            for side, length in zip(sides, level.shape, strict=True)
        )
    )


def _finer(part: Part, picture: tuple[int, int], shape: Sequence[int]) -> Part:
    """Return what a part covers on the next finer level."""
    rows, cols = picture
    found = list(part)
    found[rows], found[cols] = doubled((part[rows], part[cols]), (shape[rows], shape[cols]))
    return tuple(found)


def _means(pixels: Pixels, rows: int, cols: int) -> Pixels:
    """Return a part half as large, its axes in their order."""
    first = np.moveaxis(pixels, (rows, cols), (0, 1))
    half = halved(first.reshape(*first.shape[:2], -1))
    return np.moveaxis(half.reshape(*half.shape[:2], *first.shape[2:]), (0, 1), (rows, cols))
