"""What a model that is given to bioimage.io says of itself in words: from its card."""

from __future__ import annotations

import re

from napari_medrefine.superres.cards import ModelCard

_DOI = re.compile(r"\b10\.\d{4,9}/[^\s;,)]+")
_LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "CC0-1.0", "CC-BY-4.0")
_METHOD = ("Ledig et al. (2017), SRGAN, from which the training descends", "10.1109/CVPR.2017.19")


def name_of(card: ModelCard, scale: int) -> str:
    """Return the name, of letters that bioimage.io allows."""
    allowed = re.sub(r"[^A-Za-z0-9_+\- ()]", "-", card.name)
    return f"MedRefine {allowed}" + (f" x{scale}" if scale > 1 else "")


def description_of(card: ModelCard, scale: int) -> str:
    """Return one or two sentences."""
    does = f"Enlarges {scale} times" if scale > 1 else "Sharpens, at the same size,"
    kind = (
        "the smallest error on average, a little soft"
        if card.weights == "faithful"
        else "trained against a discriminator: natural texture, of which details are invented"
    )
    return f"{does} microscope photos of tissue, H&E above all ({kind}). {card.caution}"


def citations_of(card: ModelCard) -> list[tuple[str, str]]:
    """Return text and DOI of what is to be cited: the data, where they have one, and the method."""
    found = _DOI.search(card.attribution)
    return ([(card.attribution, found[0])] if found else []) + [_METHOD]


def licence_of(card: ModelCard) -> str | None:
    """Return the SPDX identifier that the card's licence begins with, if it does."""
    first = re.split(r"[\s;,(]", card.licence, maxsplit=1)[0]
    return first if first in _LICENCES else None


def documentation_of(card: ModelCard, scale: int) -> str:
    """Return the README, in Markdown."""
    return f"""\
# {name_of(card, scale)}

{description_of(card, scale)}

## Use

Input: RGB, 0 to 255, white at 255; sides that are multiples of 8, at least 64. Output: RGB, 0 to
255, {scale} times as many pixels along each side. It was trained for these pixel sizes and
apertures:

{_views(card, scale)}

The result is what napari-medrefine makes with these weights at full strength, but for what it tells
from an image (whether that was reduced digitally before; then it holds the result to that).

## Training

- {_line(card.training)}
- Data: {_line(card.data)}
- Degradation: {_line(card.degradation)}
- Optics: {_line(card.optics)}
- Slides held out for choices: {", ".join(card.held_out_slides) or "none named"}

## Validation

To validate on slides of your own, reduce sharp photos {scale if scale > 1 else 2} times, run the
model, and compare with the sharp ones (PSNR, SSIM) beside plain interpolation, as
`medrefine evaluate` does. What came with the weights:

{_metrics(card)}

## Licence and thanks

{_line(card.licence) or "Not stated."}

{_line(card.attribution)}

**{card.caution}**

Written by {card.software}; SHA-256 of the weights {card.sha256}.
"""


def _line(text: str) -> str:
    return " ".join(text.split())


def _views(card: ModelCard, scale: int) -> str:
    views = [view for view in card.views if view.scale == scale]
    lines = [
        f"| {view.pixel_um_in:g} | {view.pixel_um_out:g} | {view.na_in or '-'} | "
        f"{view.na_out or '-'} |"
        for view in views
    ]
    head = ["| µm per pixel in | out | NA in | NA out |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *lines]) if lines else "None are known."


def _metrics(card: ModelCard) -> str:
    lines = [
        f"| {track} | {slide} | {measure} | {value:g} |"
        for track, slides in card.metrics.items()
        for slide, measures in slides.items()
        for measure, value in measures.items()
    ]
    head = ["| track | slide | measure | value |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *lines]) if lines else "No measurements came with the weights."
