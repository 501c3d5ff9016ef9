"""Real pairs on disk: what the objective of low power saw, and what was really there.

A folder of pairs holds ``medrefine-pairs.json`` and for each pair a sub-folder with ``input.png``
(the overview around the field), ``target.png`` (the field on pixels `PairManifest.zoom` times
finer, brought to the overview's intensities), ``mask.png`` (white: what of it may be learned from)
and ``placement.json``. All are lossless and can be looked at with any program.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_medrefine._records import read_record, write_record
from napari_medrefine.dataset.manifest import Count, Sha256, Text, TilePath
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import read_photo, write_image

PAIRS = "medrefine-pairs.json"
Bytes = npt.NDArray[np.uint8]
Side = Annotated[int, Field(ge=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Model):
    """A photo that pairs were made of: its name and the SHA-256 of its pixels."""

    name: Text
    sha256: Sha256


class Tone(_Model):
    """How a channel of the field was brought to the overview: ``offset + gain * value ** gamma``.

    `gain` is that in the middle; `shading` holds the coefficients of r, c, r^2, rc, c^2, with r and
    c from -1 to 1 over the field, that are added to it.
    """

    gamma: float
    gain: float
    offset: float
    shading: tuple[float, float, float, float, float]


class PairEntry(_Model):
    """One field and the part of the overview that it lies on.

    Attributes
    ----------
    field : Source
        The photo of high magnification.
    folder : str
        The sub-folder with the pair's files.
    first : (int, int)
        Row and column of the overview at which the target begins.
    shape : (int, int)
        Rows and columns of the overview that it covers.
    margin : (int, int)
        Rows above and columns to the left of `first` with which `input` begins.
    tone : tuple of Tone
        Per channel.
    shift : float
        How far field and overview are apart in the median block, in overview pixels.
    sharpness : float
        Fine detail of the target against that of the overview, interpolated.
    usable : float
        Share of the target that may be learned from.
    left_out : dict
        Why other parts may not: reason to share.
    input_sha256, target_sha256, mask_sha256 : str
        Of the pixels.
    """

    field: Source
    folder: TilePath
    first: tuple[Count, Count]
    shape: tuple[Side, Side]
    margin: tuple[Count, Count]
    tone: tuple[Tone, ...]
    shift: float
    sharpness: float
    usable: Annotated[float, Field(ge=0, le=1)]
    left_out: dict[str, float]
    input_sha256: Sha256
    target_sha256: Sha256
    mask_sha256: Sha256


class Refused(_Model):
    """A field that no pair was made of, and why."""

    field: Source
    reason: str


class PairManifest(_Model):
    """All pairs of one overview, as written to ``medrefine-pairs.json``."""

    format: Literal["medrefine-pairs"] = "medrefine-pairs"
    version: Literal[1] = 1
    software: str
    overview: Source
    zoom: Side
    pixel_um: Annotated[float, Field(gt=0)] | None = None
    pairs: tuple[PairEntry, ...]
    refused: tuple[Refused, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the pixels of all pairs, in order."""
        parts = [sum_ for p in self.pairs for sum_ in (p.input_sha256, p.target_sha256)]
        masks = [p.mask_sha256 for p in self.pairs]
        return hashlib.sha256(" ".join([str(self.zoom), *parts, *masks]).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class StoredPair:
    """A pair's images.

    Attributes
    ----------
    given : ndarray
        uint8 ``(h + margins, w + margins, 3)``: the overview under and around the field.
    target : ndarray
        uint8 ``(zoom * h, zoom * w, 3)``.
    mask : ndarray
        ``(h, w)`` bool, on the overview's pixels: what may be learned from.
    """

    given: Bytes
    target: Bytes
    mask: npt.NDArray[np.bool_]


def read_pairs(folder: str | Path) -> PairManifest:
    """Read the manifest of a folder of pairs.

    Raises
    ------
    MedRefineError
        If there is none, or it is damaged.
    """
    path = Path(folder) / PAIRS
    if not path.is_file():
        raise MedRefineError(f"There are no registered pairs in {folder}: {PAIRS} is missing.")
    return read_record(path, PairManifest, "a list of registered pairs")


def write_manifest(folder: Path, manifest: PairManifest) -> None:
    """Write the manifest; the images are there already."""
    write_record(folder / PAIRS, manifest.model_dump(mode="json"))


def write_pair(folder: Path, pair: StoredPair) -> None:
    """Write a pair's images into its own, existing folder."""
    write_image(folder / "input.png", pair.given)
    write_image(folder / "target.png", pair.target)
    write_image(folder / "mask.png", pair.mask.astype(np.uint8) * np.uint8(255))


def read_pair(folder: str | Path, entry: PairEntry) -> StoredPair:
    """Read one pair, and check that it is the one that was written.

    Raises
    ------
    MedRefineError
        If a file is missing, or has been changed.
    """
    place = Path(folder) / entry.folder
    given, target, mask = (
        read_photo(place / f"{name}.png").image for name in ("input", "target", "mask")
    )
    pair = StoredPair(
        np.asarray(given, np.uint8), np.asarray(target, np.uint8), np.asarray(mask, np.uint8) > 127
    )
    if not _fits(pair, entry) or sums(pair) != (
        entry.input_sha256,
        entry.target_sha256,
        entry.mask_sha256,
    ):
        raise MedRefineError(f"Cannot use {place}: its images are not those that were written.")
    return pair


def _fits(pair: StoredPair, entry: PairEntry) -> bool:
    """Return whether the images have the sizes that the manifest names."""
    if pair.given.ndim != 3 or pair.target.ndim != 3 or pair.mask.shape != entry.shape:
        return False
    needed = [m + n for m, n in zip(entry.margin, entry.shape, strict=True)]
    zooms = {large / n for large, n in zip(pair.target.shape, entry.shape, strict=False)}
    return len(zooms) == 1 and all(
        has >= need for has, need in zip(pair.given.shape, needed, strict=False)
    )


def sums(pair: StoredPair) -> tuple[str, str, str]:
    """Return the SHA-256 of a pair's input, target and mask."""
    a, b, c = (_sha256(x) for x in (pair.given, pair.target, pair.mask.astype(np.uint8)))
    return a, b, c


def _sha256(image: Bytes) -> str:
    digest = hashlib.sha256(f"{image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
