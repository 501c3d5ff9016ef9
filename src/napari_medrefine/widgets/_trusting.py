"""How far to trust a generated layer, as a layer of its own on the same place."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medrefine import __version__
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, sha256_of
from napari_medrefine.progress import Step, retold
from napari_medrefine.superres.model_files import PHOTOS, model_of
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import KEY
from napari_medrefine.widgets._placing import Made

LEVEL = 0.9
_SURE = f"{100 * LEVEL:.0f} %"
TRUST = (
    f"Also add a layer that says how far to trust each place: with a probability of {_SURE}, the "
    "error there is at most the value shown, in grey levels of 255"
)
NO_TRUST = {  # by region, as the widget calls it
    "follow": "No trust map of the view, wherever it goes: choose 'the part in view' for one.",
    "disk": "No trust map of what is written to disk: choose a part of the layer for one.",
}
OPACITY, COLORMAP = 0.6, "magma"
# What keeps the two on the same place; being seen or not stays each one's own.
TOGETHER = ("scale", "translate", "rotate", "shear", "affine")
_SAME_PLACE = (*TOGETHER, "units", "axis_labels")


@dataclass(frozen=True)
class Trusted(Made):
    """A trust map, as the layer to show."""


def check_trust(recipe: Recipe, layer: Layer) -> None:
    """Refuse, before anything is computed, what the trust map was not calibrated for.

    Raises
    ------
    MedRefineError
        Saying what to change.
    """
    if layer.ndim != 2:
        raise MedRefineError(
            f"'{layer.name}' is a stack, and the trust map is calibrated for photos of stained "
            "slides: choose no trust map."
        )
    if recipe.model not in (None, model_of(PHOTOS)):
        raise MedRefineError(
            "The trust map is calibrated for the shipped networks only: choose the model "
            "'Shipped' or 'For photos', or no trust map."
        )
    if recipe.strength < 1:
        raise MedRefineError(
            "The trust map is of the network at full strength: set the strength to 1, or choose no "
            "trust map."
        )


def trust_steps(made: Made, source: Image, recipe: Recipe) -> Generator[Step, None, Trusted]:
    """Compute how far to trust `made`, which the network made of `source`."""
    from napari_medrefine import superres

    job = superres.trust_map_steps(
        source,
        recipe.scale,
        realism=recipe.realism,
        model=recipe.model,
        level=LEVEL,
        generated=made.image,
    )
    errors = yield from retold(
        job, lambda step: Step(step.done, step.total, f"Trust map: {step.text}")
    )
    return Trusted(errors, _options(made, recipe, float(errors.max())), made.of)


def _options(made: Made, recipe: Recipe, largest: float) -> dict[str, Any]:
    options = {name: value for name, value in made.options.items() if name in _SAME_PLACE}
    name = made.options["name"]
    return {
        **options,
        "name": f"trust: error of {name} ({_SURE})",
        "rgb": False,
        "colormap": COLORMAP,
        "opacity": OPACITY,
        "contrast_limits": (0.0, max(1.0, largest)),
        "metadata": {KEY: _about(made, recipe)},
    }


def _about(made: Made, recipe: Recipe) -> dict[str, Any]:
    generated = made.options["metadata"][KEY]
    kept = ("made_from", "made_from_file", "made_from_sha256", "region", "weights", "model",
            "pixel_um", "slide")  # fmt: skip
    return {
        **{name: generated[name] for name in kept},
        "trust_of": made.options["name"],
        "trust_of_sha256": sha256_of(np.asarray(made.image)),
        "level": LEVEL,
        "realism": recipe.realism,
        "unit": "grey levels of 255",
        "meaning": f"with a probability of {_SURE}, a colour value of the generated picture is "
        "off the truth by at most this; for slides like those it was calibrated on",
        "version": __version__,
    }
