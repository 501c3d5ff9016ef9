"""Which images `medrefine evaluate` measures on: a dataset's part, a folder, or pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from napari_medrefine.compare import Protocol, Sample
from napari_medrefine.compare.pair_folder import (
    PairFiles,
    find_pairs,
    is_pair_folder,
    pair_protocol,
)
from napari_medrefine.compare.report_page import Input
from napari_medrefine.compare.visuals import Picture, as_picture
from napari_medrefine.dataset.recipe import Split
from napari_medrefine.dataset.split import slide_of
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, whites_of
from napari_medrefine.photos import find_photos, read_photo


@dataclass
class Images:
    """Images to measure on, read when they are asked for, and what has been read.

    Attributes
    ----------
    files : list of PairFiles
        `given` and `sharp` are the same file where the input is made from the sharp image.
    inputs : dict
        What was read so far, by role and name.
    whites : dict
        What stands for full white in files of which that is known; in others it is told from the
        pixels.
    shared_slides : bool
        Whether other parts of the dataset have tiles of the same slides: it was split by photo.
    """

    files: list[PairFiles]
    inputs: dict[tuple[str, str], Input] = field(default_factory=dict)
    whites: dict[Path, float] = field(default_factory=dict)
    shared_slides: bool = False

    @classmethod
    def of(cls, source: Path, split: Split) -> Images:
        """Find the images of a dataset's `split`, of a folder of pairs, or of a folder.

        Raises
        ------
        MedRefineError
            If there are none.
        """
        from napari_medrefine.dataset import MANIFEST, load_manifest

        if (source / MANIFEST).exists():
            manifest = load_manifest(source / MANIFEST)
            photos = {photo.name: photo for photo in manifest.photos}
            tiles = [tile for tile in manifest.tiles if tile.split == split]
            if not tiles:
                raise MedRefineError(f"{source} holds no {split} tiles.")
            files = [_alone(source / t.file, photos[t.photo].slide, t.file) for t in tiles]
            layers = ((source / t.file, photos[t.photo].layer) for t in tiles)
            whites = {file: layer.white for file, layer in layers if layer}
            return cls(files, whites=whites, shared_slides=manifest.split_by == "photo")
        if is_pair_folder(source):
            return cls(find_pairs(source))
        paths = find_photos(source, recursive=True)
        if not paths:
            raise MedRefineError(f"There are no photos in {source}.")
        names = {path: path.relative_to(source).as_posix() for path in paths}
        return cls([_alone(path, slide_of(name), name) for path, name in names.items()])

    @property
    def slides(self) -> set[str]:
        """Their slides."""
        return {one.slide for one in self.files}

    @property
    def paired(self) -> bool:
        """Whether each sharp image brings its input."""
        return any(one.given != one.sharp for one in self.files)

    def spread(self, limit: int) -> Images:
        """Return `limit` of them, evenly over all, so that no slide is left out needlessly."""
        if limit < 1:
            raise MedRefineError(f"The limit must be at least 1, not {limit}.")
        n = len(self.files)
        chosen = np.unique(np.linspace(0, n - 1, min(limit, n)).round().astype(int))
        return replace(self, files=[self.files[k] for k in chosen], inputs={})

    def samples(self) -> Iterator[Sample]:
        """Read them one after the other."""
        for one in self.files:
            yield self.sample(one)

    def sample(self, one: PairFiles) -> Sample:
        """Read one."""
        sharp = read_photo(one.sharp).image
        if one.given == one.sharp:
            white = self.whites.get(one.sharp)
            return Sample(one.name, one.slide, self._told("sharp", one.name, sharp, white))
        given = read_photo(one.given).image
        whites = whites_of(sharp, given)
        return Sample(
            one.name,
            one.slide,
            self._told("sharp", one.name, sharp, whites[0]),
            self._told("input", one.name, given, whites[1]),
        )

    def protocol(self) -> Protocol:
        """Return the protocol of pairs, told from the first.

        Raises
        ------
        MedRefineError
            If their sizes do not belong together.
        """
        first = self.sample(self.files[0])
        given = first.sharp if first.given is None else first.given
        return pair_protocol(given, first.sharp)

    def first_of_slides(self, most: int) -> list[PairFiles]:
        """Return the first image of each slide, of `most` slides."""
        return list({one.slide: one for one in reversed(self.files)}.values())[::-1][:most]

    def _told(self, role: str, name: str, image: Image, white: float | None) -> Picture:
        picture = as_picture(image, white)
        self.inputs.setdefault((role, name), Input.of(role, name, picture))
        return picture


def _alone(path: Path, slide: str, name: str) -> PairFiles:
    return PairFiles(name, slide, path, path)
