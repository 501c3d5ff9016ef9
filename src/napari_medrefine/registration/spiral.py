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
    rows, cols = (grid.ravel() for grid in np.indices((height, width)))
    order = np.argsort(_steps_from_middle(rows - (height - 1) // 2, cols - (width - 1) // 2))
    return np.stack([rows[order], cols[order]], axis=1)


def _steps_from_middle(
    row: npt.NDArray[np.int_], col: npt.NDArray[np.int_]
) -> npt.NDArray[np.int_]:
    """Return how many steps of an unbounded spiral lead to places relative to its middle."""
    ring = np.maximum(np.abs(row), np.abs(col))
    right, below, left = (col == ring) & (row > -ring), row == ring, col == -ring
    # A ring goes down its right side, then along below, up the left side, and along above.
    along = [row + ring, 3 * ring - col, 5 * ring - row]
    return (2 * ring - 1) ** 2 - 1 + np.select([right, below, left], along, 7 * ring + col)


def distance_from_middle(
    points: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return in which ring of the spiral each ``(N, 2)`` point lies."""
    return np.asarray(np.abs(points - (np.array(shape) - 1) / 2).max(axis=-1))
