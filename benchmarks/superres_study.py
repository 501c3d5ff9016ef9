"""How the study's 40463.4 comes about: the same filter on one range, and on two."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medrefine.compare.study import mixed_up
from superres_tracks import Source


def study_errors(images: Sequence[Source]) -> dict[str, dict[str, float]]:
    """Return by slide the MSE of a sharp image against its unsharp mask, and against black."""
    first = {source.slide: source for source in reversed(images)}
    return {slide: mixed_up(source.read()) for slide, source in reversed(first.items())}
