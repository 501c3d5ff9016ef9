"""How the study's 40463.4 comes about: the same filter on one range, and on two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_medrefine.compare import metrics
from napari_medrefine.compare.filters import unsharp_mask
from superres_tracks import Source

MIXED = "0-255 against the filter's 0-1"
RIGHT = "both on 0-255"
BLACK = "against black"


def study_errors(images: Sequence[Source]) -> dict[str, dict[str, float]]:
    """Return, by slide, the MSE of a sharp image against its own unsharp mask, and against black.

    On two ranges the comparison has to go round `metrics.mse`, which refuses it.
    """
    found: dict[str, dict[str, float]] = {}
    for source in {s.slide: s for s in reversed(images)}.values():
        sharp = source.read()
        filtered = unsharp_mask(sharp)
        levels = sharp.astype(np.float64)
        found[source.slide] = {
            RIGHT: metrics.mse(filtered, sharp),
            MIXED: float(np.mean((levels - filtered / 255) ** 2)),
            BLACK: float(np.mean(levels**2)),
        }
    return dict(reversed(found.items()))
