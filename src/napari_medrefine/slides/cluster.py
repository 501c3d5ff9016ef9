"""A Dask cluster: connecting to one, and weights of one's own on its workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.recipe import Recipe

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
        from distributed import Client
    except ImportError as error:
        raise MedRefineError(
            "A cluster needs one more package: pip install 'napari-medrefine[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MedRefineError(f"No Dask scheduler answers at {address}.") from error
    try:
        yield client
    finally:
        client.close()


def sent(client: Any, recipe: Recipe) -> Recipe:
    """Send the weight files of `recipe` to every worker, once; return the recipe for them.

    Those that ship are there already. Workers that come later get them, too.
    """
    from napari_medrefine.superres.models import files_for, list_models

    if recipe.model is None or recipe.model in list_models():
        return recipe
    files = files_for(recipe.task, recipe.realism, recipe.model)
    for file in files:
        client.upload_file(str(file), load=False)
    return replace(recipe, model=Path(files[0].name))


def received(recipe: Recipe) -> Recipe:
    """Return `recipe` with the place at which its weight file lies for this process."""
    if recipe.model is None or Path(recipe.model).is_file():
        return recipe
    try:
        from distributed import get_worker

        folder = Path(get_worker().local_directory)
    except (ImportError, ValueError):  # not on a cluster
        return recipe
    file = folder / recipe.model
    return replace(recipe, model=file) if file.is_file() else recipe
