"""The colours of training, validation and test, the same in pictures, pages and napari."""

from __future__ import annotations

from typing import Final

from napari_medrefine.dataset.recipe import Split

# Okabe and Ito's, which people with a colour vision deficiency tell apart too.
SPLIT_COLOURS: Final[dict[Split, str]] = {
    "train": "#0072b2",  # blue
    "validation": "#e69f00",  # orange
    "test": "#009e73",  # green
}
COLOUR_NAMES: Final[dict[Split, str]] = {"train": "blue", "validation": "orange", "test": "green"}
