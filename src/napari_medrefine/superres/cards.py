"""The model card: what a weight file is, what it was trained on, and what it is not for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_medrefine.errors import MedRefineError

CAUTION = (
    "For research, not for diagnosis: detail finer than the photo shows is inferred from other "
    "slides, and may be wrong."
)
Task = Literal["magnify", "sharpen"]
Length = Annotated[float, Field(gt=0)]
Aperture = Annotated[float, Field(gt=0, le=1.7)]


class View(BaseModel):
    """What goes in and what comes out at one scale, as in the training.

    Attributes
    ----------
    scale : int
        Output pixels per input pixel (side); 1 for sharpening.
    pixel_um_in, pixel_um_out : float
        Sides of an input and of an output pixel on the slide, in micrometres.
    na_in, na_out : float or None
        Numerical apertures stood for; None where they are not known, or where the input's blur
        was of other kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: Annotated[int, Field(ge=1, le=8)]
    pixel_um_in: Length
    pixel_um_out: Length
    na_in: Aperture | None = None
    na_out: Aperture | None = None


class LearnedPhoto(BaseModel):
    """A photo that weights were fine-tuned on: its name, the SHA-256 of its pixels, its part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str
    side: Literal["overview", "learned", "held out"]


class ModelCard(BaseModel):
    """What travels with weights, inside their file.

    Every field that came after the first release has a default, so that older files still load.

    Attributes
    ----------
    name : str
        E.g. ``"magnify-faithful"``.
    task : {"magnify", "sharpen"}
        Enlarging, or sharpening at the same size.
    architecture : {"trunk", "unet"}
        See `superres.generator`.
    channels, blocks, scales
        Its parameters; a U-Net of no blocks is the study's.
    halo : int
        How far an input pixel reaches, in pixels the network works on.
    weights : {"faithful", "gan"}
        Trained on the pixel loss alone, or against a discriminator too.
    pixel_um : tuple of float
        Pixel sizes of the sharp training images, in micrometres.
    views : tuple of View
        Pixel sizes and numerical apertures, in and out, at each scale.
    optics : str
        Which objectives the training stood for.
    degradation : str
        How the blurred images of the training were made from the sharp ones.
    training : str
        How long, with which losses.
    data, attribution : str
        Where the training images come from, and whom to thank.
    training_slides, held_out_slides : tuple of str
        The latter were used for choosing only.
    split_sha256 : str
        Of every training image, its slide and its side of the split: the same only for the same
        images, split in the same way.
    metrics : dict
        Track -> slide -> measure -> value, as `benchmarks/superres.py` prints them.
    licence : str
        Of the weights.
    software : str
        What wrote them.
    learned_from : tuple of LearnedPhoto
        The user's photos, if the weights were fine-tuned on registered fields.
    sha256 : str
        Of the tensors; written and checked by `superres.models`.
    caution : str
        What it is not for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["medrefine-model"] = "medrefine-model"
    version: Literal[1] = 1
    name: str
    task: Task
    architecture: Literal["trunk", "unet"]
    channels: Annotated[int, Field(ge=1, le=1024)]
    blocks: Annotated[int, Field(ge=0, le=256)] = 0
    scales: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=1)]
    halo: Annotated[int, Field(ge=0, le=4096)]
    image_channels: Literal[3] = 3
    weights: Literal["faithful", "gan"] = "faithful"
    pixel_um: tuple[float, ...] = ()
    views: tuple[View, ...] = ()
    optics: str = ""
    degradation: str = ""
    training: str = ""
    data: str = ""
    attribution: str = ""
    training_slides: tuple[str, ...] = ()
    held_out_slides: tuple[str, ...] = ()
    split_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    licence: str = ""
    software: str = ""
    learned_from: tuple[LearnedPhoto, ...] = ()
    sha256: str = ""
    caution: str = CAUTION


def parse_card(path: Path, text: str | bytes) -> ModelCard:
    """Return the card that `text`, of the weight file at `path`, holds.

    Raises
    ------
    MedRefineError
        If it is none of ours, damaged, or of a newer version.
    """
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        if _is_newer(text):
            raise MedRefineError(
                f"Cannot use {path}: its model card is of a newer version; update napari-medrefine."
            ) from error
        raise MedRefineError(f"Cannot use {path}: its model card is damaged.") from error


def _is_newer(text: str | bytes) -> bool:
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        return False
    ours = isinstance(card, dict) and card.get("format") == "medrefine-model"
    version = card.get("version") if ours else None
    return isinstance(version, int) and version > ModelCard.model_fields["version"].default
