"""The order in which positions are visited: outwards from the middle, as the study walks it.

The stage rarely moves when the objective turns, so a field's place is most likely near the middle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def spiral(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield every (row, col) of a ``height x width`` grid once, spiralling out from its middle."""
    row, col = (height - 1) // 2, (width - 1) // 2
    left, run = height * width, 1
    d_row, d_col = 0, 1
    while left > 0:
        for _ in range(2):
            for _ in range(run):
                if 0 <= row < height and 0 <= col < width:
                    yield row, col
                    left -= 1
                row, col = row + d_row, col + d_col
            d_row, d_col = d_col, -d_row
        run += 1


def spiral_order(height: int, width: int) -> npt.NDArray[np.int_]:
    """Return `spiral` as an array, ``(height * width, 2)``."""
    return np.array(list(spiral(height, width)), int).reshape(-1, 2)


def distance_from_middle(
    points: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return in which ring of the spiral each ``(N, 2)`` point lies."""
    return np.asarray(np.abs(points - (np.array(shape) - 1) / 2).max(axis=-1))
