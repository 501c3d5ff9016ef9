"""The blocks of a slide as a Dask graph, run here or on a cluster."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import Delayed, delayed

from napari_medrefine._cluster import RETRIES
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.zarr_pyramid import Block, ZarrPyramid
from napari_medrefine.progress import JobStopped, look_up, stoppable
from napari_medrefine.slides.block_job import BlockJob, make_block

_PATIENCE_S = 0.2


def graph_of(job: BlockJob, pyramid: ZarrPyramid) -> list[Delayed]:
    """Return a task for every block: each depends on the finer blocks that it is made from."""
    tasks: dict[Block, Delayed] = {}
    make = delayed(make_block, pure=True)
    for block in pyramid.blocks():
        name = f"magnify-{job.number}-{block.level}-{block.row}-{block.col}"
        finer = (tasks[one] for one in pyramid.finer(block))
        tasks[block] = make(job, block, *finer, dask_key_name=name)
    return list(tasks.values())


def run_here(tasks: list[Delayed]) -> Generator[Block | None, None, None]:
    """Run tasks one after the other in a thread; yield each block once it is made.

    None is yielded now and then while waiting. Closing the generator stops the present block, too.
    """
    made: queue.SimpleQueue[Block | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def tell(_key: Any, value: Any, *_: Any) -> None:
        made.put(value)
        look_up()

    def work() -> None:
        try:
            with stoppable(stopped.is_set), Callback(posttask=tell):
                compute(*tasks, scheduler="synchronous", optimize_graph=False)
            made.put(None)
        except JobStopped:
            made.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where it can be told
            made.put(error)

    thread = threading.Thread(target=work, name="medrefine-blocks", daemon=True)
    thread.start()
    try:
        yield from _until_end(made)
    finally:
        stopped.set()
        thread.join()


def _until_end(
    made: queue.SimpleQueue[Block | BaseException | None],
) -> Generator[Block | None, None, None]:
    while True:
        try:
            one = made.get(timeout=_PATIENCE_S)
        except queue.Empty:
            yield None
            continue
        if one is None:
            return
        if isinstance(one, BaseException):
            raise one
        yield one


def run_on(client: Any, tasks: Iterable[Delayed]) -> Generator[Block | None, None, None]:
    """Run tasks on the workers of a `distributed.Client`; as `run_here`."""
    made: queue.SimpleQueue[Block | BaseException | None] = queue.SimpleQueue()
    futures = client.compute(list(tasks), retries=RETRIES, optimize_graph=False)

    def tell(future: Any) -> None:
        made.put(future.result() if future.status == "finished" else _why(future))

    for future in futures:
        future.add_done_callback(tell)
    try:
        left = len(futures)
        for block in _until_end(made):
            left -= block is not None
            yield block
            if not left:
                return
    finally:
        client.cancel(futures)


def _why(future: Any) -> BaseException:
    error = future.exception() if future.status == "error" else None
    if isinstance(error, MedRefineError):
        return error
    return MedRefineError(f"The cluster could not make a block ({error or future.status}).")
