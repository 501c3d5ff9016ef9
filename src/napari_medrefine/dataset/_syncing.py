"""Files sent to the disk behind the job's back.

Syncing thousands of tiles one by one, while they are made, costs a fifth of the time. A journal
may name tiles that are not on the disk yet: they are checked before they are believed. A manifest
may not, so it waits for all of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from napari_medrefine._atomic import cannot, sync_file
from napari_medrefine.dataset._parallel import PATIENCE
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step


class Syncing:
    """A thread that syncs files, in the order in which they come."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._running: list[Future[None]] = []

    def add(self, files: Iterable[Path]) -> None:
        """Have `files` synced, some time before `finish`."""
        self._running.append(self._pool.submit(_sync, list(files)))

    def finish(self, step: Step) -> Generator[Step, None, None]:
        """Wait until all is on the disk, reporting `step` meanwhile; a job, see `progress`.

        Raises
        ------
        MedRefineError
            If a file could not be written.
        """
        for future in self._running:
            while not wait([future], timeout=PATIENCE).done:
                yield step
            future.result()
        self._running.clear()


@contextmanager
def syncing() -> Iterator[Syncing]:
    """Open a `Syncing`; left early, it drops what it has not begun."""
    pool = ThreadPoolExecutor(1)
    try:
        yield Syncing(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _sync(files: list[Path]) -> None:
    for path in files:
        try:
            sync_file(path)
        except OSError as error:
            raise MedRefineError(cannot("write", path, error)) from error
