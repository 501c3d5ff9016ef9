"""Which network of the user's own is measured beside those that ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medrefine.compare.pairs import Pair
from napari_medrefine.images import sha256_of
from napari_medrefine.superres.cards import LearnedPhoto
from napari_medrefine.superres.model_files import PHOTOS, read_card
from napari_medrefine.superres.named_networks import own_name
from napari_medrefine.widgets._layers import LARGEST_PHOTO, Viewer
from napari_medrefine.widgets._model_choice import shelf_of

LEARNED = (
    "'{name}' has learned from this very photo, so that its number says nothing about other "
    "places: measure on a field that it did not learn from{held_out}."
)


@dataclass(frozen=True)
class Own:
    """Weights that are in use in place of the shipped ones.

    Attributes
    ----------
    name : str
        As *Magnify & sharpen* shows it.
    file : Path
    photos : sequence of LearnedPhoto
        What it was fine-tuned on, if that is known.
    """

    name: str
    file: Path
    photos: Sequence[LearnedPhoto] = ()

    def caution(self, pair: Pair) -> str:
        """Return what to say if it has learned from what it is measured against, else nothing."""
        image = pair.reference.image
        sides = {photo.sha256: photo.side for photo in self.photos}
        if not sides or image.shape[0] * image.shape[1] > LARGEST_PHOTO:
            return ""
        if sides.get(sha256_of(np.asarray(image))) != "learned":
            return ""
        others = ", ".join(photo.name for photo in self.photos if photo.side == "held out")
        return LEARNED.format(name=self.name, held_out=f" ({others})" if others else "")


def own_in_use(viewer: Viewer, *, sharpening: bool) -> Own | None:
    """Return the network that *Magnify & sharpen* runs for this, None where that is the shipped.

    Raises
    ------
    MedRefineError
        If its file cannot be read any more.
    """
    shelf = shelf_of(viewer)
    file = shelf.used
    if file in (None, PHOTOS) or shelf.files[file].task != ("sharpen" if sharpening else "magnify"):
        return None
    photos = () if shelf.files[file].foreign else read_card(file).learned_from
    return Own(own_name(shelf.name_of(file)), file, photos)
