"""A Dask cluster, for whoever has more to do than one machine likes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from napari_medrefine.errors import MedRefineError

RETRIES = 3  # of a task whose worker was lost
_PATIENCE_S = 10


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to the scheduler at `address`, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    MedRefineError
        If `distributed` is not installed, or nobody answers.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise MedRefineError(
            "A cluster needs one more package: pip install 'napari-medrefine[cluster]'."
        ) from error
    try:
        client: Any = distributed.Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MedRefineError(f"No Dask scheduler answers at {address}.") from error
    try:
        yield client
    finally:
        client.close()


def client_for(client: Any) -> Any:
    """Return the `distributed.Client` that is meant, or None for this process.

    Parameters
    ----------
    client : distributed.Client, None or False
        None: the one that is current, if any, as with all that Dask computes; False: none.
    """
    if client is not None:
        return client or None
    distributed = sys.modules.get("distributed")  # who has a client has imported it
    if distributed is None:
        return None
    try:
        return distributed.Client.current(allow_global=True)
    except ValueError:
        return None


def executor_of(client: Any) -> Executor | None:
    """Return the workers of a client as an executor; None for None."""
    if client is None:
        return None
    executor: Executor = client.get_executor(pure=False, retries=RETRIES)
    return executor
