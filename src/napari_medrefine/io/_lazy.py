"""What is on disk as a dask array, read where one looks."""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import dask.array as da

MOST_CHUNKS = 2**16  # of one array: dask lists them all


class Stored(Protocol):
    """A level of a slide or of a stack."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """What is decoded as one."""


def lazy(stored: Stored) -> Any:
    """Return a dask array; of many small chunks it takes several as one.

    Of such a piece, too, only the part that is asked for is read.
    """
    sides = list(stored.chunks)
    while True:
        counts = [-(-length // side) for length, side in zip(stored.shape, sides, strict=True)]
        if prod(counts) <= MOST_CHUNKS:
            return da.from_array(stored, chunks=tuple(sides), name=False)
        sides[counts.index(max(counts))] *= 2
