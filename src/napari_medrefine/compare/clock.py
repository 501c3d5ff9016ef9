"""How long the same methods still take, image after image."""

from __future__ import annotations

import time
from collections.abc import Sequence

from napari_medrefine.progress import say_duration

_LEAST = 2.0  # seconds that are worth mentioning


class Clock:
    """Measures how long each method takes on an image, and tells what is left of all of them."""

    def __init__(self) -> None:
        self._took: dict[str, float] = {}  # the last time, in seconds
        self._since: tuple[str, float] | None = None

    def begin(self, method: str, on_this: Sequence[str], images: int) -> str:
        """Note that `method` begins, and so that the last one is over.

        Parameters
        ----------
        method : str
        on_this : sequence of str
            The methods that are left on this image, `method` itself too.
        images : int
            How many images come after it.

        Returns
        -------
        str
            To follow a name; empty while any method has not been seen, and shortly before the end.
        """
        now = time.perf_counter()
        if self._since is not None:
            last, since = self._since
            self._took[last] = now - since
        self._since = (method, now)
        if not {*on_this} <= self._took.keys():
            return ""
        left = sum(self._took[each] for each in on_this) + images * sum(self._took.values())
        return f", about {say_duration(left)} left" if left >= _LEAST else ""
