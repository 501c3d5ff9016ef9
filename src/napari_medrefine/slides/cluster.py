"""Weights of one's own on the workers of a Dask cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_medrefine.superres.recipe import Recipe


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
