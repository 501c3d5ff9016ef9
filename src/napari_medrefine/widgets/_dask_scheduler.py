"""What dask computes with, loaded before the window's thread would have to."""

from __future__ import annotations

import dask.array as da


def load_scheduler() -> None:
    """Have dask find its scheduler before napari does in the window's thread.

    It imports `distributed` for that, which takes a quarter of a second. For a job's thread.
    """
    da.zeros(1).compute()
