"""The provenance of what the networks made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_medrefine import __version__
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
    from napari_medrefine.superres.models import weights_of

    return {
        KEY: provenance_of(recipe, inputs).as_dict(),
        "made_from": made_from,
        **asdict(recipe),
        "model": str(recipe.model or "shipped"),
        "weights": weights_of(recipe.task, recipe.realism, recipe.model),
        "warning": NOT_FOR_DIAGNOSIS,
        "version": __version__,
    }


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
        near = [folder / model for folder in folders if (folder / model).is_file()]
        parameters["model"] = str(near[0]) if near else model
    try:
        return Recipe(**parameters)  # type: ignore[arg-type]
    except TypeError as error:
        raise MedRefineError("The provenance names parameters that no recipe has.") from error


def _name(model: str | Path | None) -> str | None:
    """Return a model's name, or its file's: folders are those of one machine."""
    return None if model is None else Path(model).name
