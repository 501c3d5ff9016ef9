"""How far to trust each place of a generated picture, told from the picture itself."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image
from napari_medrefine.progress import Step, finish, retold
from napari_medrefine.superres.api import generate_steps
from napari_medrefine.superres.cards import Task
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.superres.trust_blocks import Floats, spread
from napari_medrefine.superres.trust_features import features_steps
from napari_medrefine.superres.trust_model import LEVELS, TrustModel, trust_for

_PART = 1000  # steps for each part of the job: two pictures, and comparing them
_PARTS = 3
T = TypeVar("T")


def trust_map(
    image: Image,
    scale: float,
    *,
    realism: float = 0.0,
    model: str | Path | None = None,
    level: float = 0.9,
    generated: Image | None = None,
) -> Floats:
    """Say how far to trust each place of what `magnify` or `sharpen` make of `image`.

    With probability `level`, a colour value of the picture is off the truth by at most the value
    there, up or down: pixel-wise intervals, as Angelopoulos et al. (2022) define them for images.
    The error is predicted for blocks of 16 x 16 pixels, mainly from how far the faithful and the
    GAN weights disagree; the margin comes from slides that the prediction was not fitted on
    (cross-conformal prediction, Vovk 2015). ``docs/trust.md`` says how well it holds.

    Parameters
    ----------
    image : (H, W), (H, W, 3) or (H, W, 4) array
        What was given to `magnify` or `sharpen`: uint8, uint16 or float. Alpha is ignored.
    scale : float
        1: the image is sharpened. Above 1, up to 10: it is magnified.
    realism : float
        Of the generated picture, 0 (faithful) to 1 (GAN).
    model : str, Path or None
        What made the picture. The map is calibrated for the models that ship, "photo-faithful"
        among them.
    level : float
        The probability, 0.5 to 0.99.
    generated : array, optional
        The generated picture (at strength 1), so that it is not computed again.

    Returns
    -------
    (round(H * scale), round(W * scale)) float32 array
        In grey levels of 255, whatever the dtype of `image`; interpolated between the blocks'
        centres.

    Raises
    ------
    MedRefineError
        If `image` is no image, an argument is out of range, `generated` does not belong to
        `image`, or the map is not calibrated for the model.
    """
    return finish(
        trust_map_steps(
            image, scale, realism=realism, model=model, level=level, generated=generated
        )
    )


def trust_map_steps(
    image: Image,
    scale: float,
    *,
    realism: float = 0.0,
    model: str | Path | None = None,
    level: float = 0.9,
    generated: Image | None = None,
) -> Generator[Step, None, Floats]:
    """Do as `trust_map` does; yield a `Step` per tile and return the map."""
    image = check_image(image)
    _check_range(scale, realism, level)
    trust = _calibrated("sharpen" if scale == 1 else "magnify", scale, model)
    shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    known = {} if generated is None else {realism: _checked(generated, image, shape)}
    pair = yield from two_opinions_steps(image, scale, known, model)
    features = yield from _part(features_steps(image, *pair), 2)
    return spread(trust.half_width(features, scale, realism, level), shape)


def two_opinions_steps(
    image: Image, scale: float, known: Mapping[float, Image], model: str | Path | None = None
) -> Generator[Step, None, tuple[Image, Image]]:
    """Make the faithful picture and the GAN's; a `Step` per tile, of two thirds of the whole.

    The GAN weights tell for themselves how the image was made. Where they take it for something
    else than the faithful weights do, both may be wrong: with one judge for both, the map held for
    half as many of the soft photos.

    Parameters
    ----------
    image : image
        What the pictures are made from.
    scale : float
        See `trust_map`.
    known : mapping
        Realism -> a picture of it that is there already.
    model : str, Path or None
        See `trust_map`.
    """
    recipe = Recipe("sharpen" if scale == 1 else "magnify", scale, 0.0, 1.0, model)
    faithful = known.get(0.0)
    if faithful is None:
        faithful = yield from _part(generate_steps(image, recipe), 0)
    alone = replace(recipe, realism=1.0, alone=True)
    gan = known.get(1.0)
    if gan is None or not _judge_alike(image, alone):
        gan = yield from _part(generate_steps(image, alone), 1)
    return faithful, gan


def _judge_alike(image: Image, alone: Recipe) -> bool:
    shared = replace(alone, alone=False)
    return alone.origin(image.shape, image) == shared.origin(image.shape, image)


def _part(job: Generator[Step, None, T], part: int) -> Generator[Step, None, T]:
    """Run `job` as one of the parts, each of which counts the same."""

    def told(step: Step) -> Step:
        done = part * _PART + round(_PART * step.done / max(1, step.total))
        return Step(done, _PARTS * _PART, step.text)

    return (yield from retold(job, told))


def _check_range(scale: float, realism: float, level: float) -> None:
    if not (math.isfinite(scale) and scale >= 1):
        raise MedRefineError(
            f"The scale is {scale:g}; the trust map knows 1 (sharpening) and more."
        )
    if not 0 <= realism <= 1:
        raise MedRefineError(f"The realism is {realism:g}; it must be between 0 and 1.")
    if not LEVELS[0] <= level <= LEVELS[-1]:
        raise MedRefineError(
            f"The level is {level:g}; it must be between {LEVELS[0]:g} and {LEVELS[-1]:g}."
        )


def _calibrated(task: Task, scale: float, model: str | Path | None) -> TrustModel:
    """Return the calibration for both weights of `model`, as far as it goes, or refuse."""
    from napari_medrefine.superres.models import model_for

    cards = [model_for(task, realism, model).card for realism in (0.0, 1.0)]
    trust = trust_for({card.sha256 for card in cards})
    if trust is None:
        raise MedRefineError(
            f"The trust map is not calibrated for the weights {cards[0].name} "
            f"({model or 'those that ship'}), so it cannot say how far to trust them."
        )
    if scale > trust.largest_scale:
        raise MedRefineError(
            f"The scale is {scale:g}; the trust map knows 1 (sharpening) to "
            f"{trust.largest_scale:g}."
        )
    return trust


def _checked(generated: Image, image: Image, shape: tuple[int, int]) -> Image:
    generated = check_image(generated, "generated image")
    if generated.shape != (*shape, *image.shape[2:]) or generated.dtype != image.dtype:
        raise MedRefineError(
            f"The generated image is {generated.dtype} of shape {generated.shape}; of this image "
            f"it would be {image.dtype} of shape {(*shape, *image.shape[2:])}."
        )
    return generated
