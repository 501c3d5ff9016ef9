"""The provenance of what the networks made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_medrefine._paths import is_file
from napari_medrefine.errors import MedRefineError
from napari_medrefine.provenance import KEY, Input, Provenance, Weights
from napari_medrefine.superres.cards import NOT_FOR_DIAGNOSIS
from napari_medrefine.superres.recipe import Recipe


def provenance_of(recipe: Recipe, inputs: Sequence[Input]) -> Provenance:
    """Return what `recipe` was done to, with which weights, on what.

    Raises
    ------
    MedRefineError
        If the model cannot be used.
    """
    from napari_medrefine.superres.models import weights_of
    from napari_medrefine.superres.precision import inference_precision

    where = inference_precision()
    parameters: dict[str, Any] = {**asdict(recipe), "model": _name(recipe.model)}
    weights = weights_of(recipe.task, recipe.realism, recipe.model)
    return Provenance(
        made=recipe.task,
        inputs=tuple(inputs),
        parameters=parameters,
        weights=tuple(Weights.model_validate(one) for one in weights),
        computed=f"{where.device} {where.dtype}",
    )


def made_facts(recipe: Recipe, made_from: str, inputs: Sequence[Input]) -> dict[str, Any]:
    """Return what every result says of itself; where its pixels lie is for its maker to add.

    Parameters
    ----------
    recipe, inputs
        See `provenance_of`.
    made_from : str
        What people call the image.

    Raises
    ------
    MedRefineError
        If the model cannot be used.
    """
    made = provenance_of(recipe, inputs)
    return {
        KEY: made.as_dict(),
        "made_from": made_from,
        **facts_from(made),
        "model": str(recipe.model or "shipped"),
    }


def facts_from(made: Provenance) -> dict[str, Any]:
    """Return those of the `made_facts` that follow from the provenance; of a model its name."""
    hashes = {one.of: one.sha256 for one in reversed(made.inputs)}
    known = {
        "made_from_sha256": hashes.get("file", hashes.get("pixels")),
        "made_from_windows_sha256": hashes.get("windows"),
    }
    return {
        **{name: sha256 for name, sha256 in known.items() if sha256 is not None},
        **made.parameters,
        "model": made.parameters.get("model") or "shipped",
        "weights": [one.model_dump() for one in made.weights],
        "warning": NOT_FOR_DIAGNOSIS,
        "version": made.version,
    }


def made_um(pixel_um: float | None, before: Sequence[int], after: Sequence[int]) -> float | None:
    """Return the side of a result's pixel, if a photo's of shape `before` is known; in micrometres.

    The sides of `after` are rounded, each by itself.
    """
    finer = math.sqrt(math.prod(after[:2]) / math.prod(before[:2]))
    return pixel_um / finer if pixel_um else None


def recipe_of(made: Provenance, folders: Sequence[Path]) -> Recipe:
    """Return the recipe that a result was made with; its own model is looked for in `folders`.

    Raises
    ------
    MedRefineError
        If the parameters are none of a recipe.
    """
    parameters = dict(made.parameters)
    model = parameters.get("model")
    if isinstance(model, str):
        near = [folder / model for folder in folders if is_file(folder / model)]
        parameters["model"] = str(near[0]) if near else model
    try:
        return Recipe(**parameters)  # type: ignore[arg-type]
    except TypeError as error:
        raise MedRefineError("The provenance names parameters that no recipe has.") from error


def _name(model: str | Path | None) -> str | None:
    """Return a model's name, or its file's: folders are those of one machine."""
    return None if model is None else Path(model).name
