"""The study's Table 4: what its numbers can and cannot be, shown on one's own images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medrefine.compare import metrics
from napari_medrefine.compare.evaluate import BLACK, IDENTITY, Evaluation
from napari_medrefine.compare.filters import unsharp_mask
from napari_medrefine.compare.visuals import as_picture
from napari_medrefine.images import Image

STUDY_FILTERS = 40463.4
RIGHT, MIXED, DARK = "both on 0-255", "0-255 against the filter's 0-1", "against black"


@dataclass(frozen=True, slots=True)
class Table4:
    """The study's table, measured under its own protocol.

    Attributes
    ----------
    errors : tuple of (method, MSE)
        Mean over the slides, each with the same weight.
    mixed : dict
        `mixed_up` of one sharp image.
    """

    errors: tuple[tuple[str, float], ...]
    mixed: dict[str, float]


def table4(evaluation: Evaluation, sharp: Image) -> Table4:
    """Return the study's table for an evaluation under its protocol, `sharp` being one image."""
    errors = [
        (method, float(np.mean([evaluation.summary(s, method).mse for s in evaluation.slides])))
        for method in evaluation.methods
        if method not in (IDENTITY, BLACK)
    ]
    return Table4(tuple(errors), mixed_up(sharp))


def mixed_up(sharp: Image) -> dict[str, float]:
    """Return the MSE of an image against its own unsharp mask on one range, and on two.

    On two ranges the comparison has to go round `metrics.mse`, which refuses it.

    Parameters
    ----------
    sharp : image
        uint8 levels are compared.
    """
    sharp = as_picture(sharp)
    filtered = unsharp_mask(sharp).astype(np.float64)
    levels = sharp.astype(np.float64)
    return {
        RIGHT: metrics.mse(np.asarray(filtered, np.uint8), sharp),
        MIXED: float(np.mean((levels - filtered / 255) ** 2)),
        DARK: float(np.mean(levels**2)),
    }


def is_study(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """Return the evaluation under the study's protocol, if any: tiles as they are first."""
    named = {e.protocol.name: e for e in evaluations if e.protocol.name.startswith("study")}
    return next(iter(sorted(named.items(), reverse=True)), (None, None))[1]
