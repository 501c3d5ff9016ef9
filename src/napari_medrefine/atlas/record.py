"""What an atlas says on disk: ``medrefine-atlas.json``, beside the placements it names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medrefine._records import read_record, write_record
from napari_medrefine.dataset.manifest import Sha256, Text, TilePath
from napari_medrefine.dataset.recipe import Positive
from napari_medrefine.registration import Placement

RECORD = "medrefine-atlas.json"
FORMAT: Final = "medrefine-atlas"
VERSION: Final = 1
PLACEMENTS = "placements"

Role = Literal["overview", "field", "refused", "unreadable"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhotoRecord(_Model):
    """A photo of the atlas.

    Attributes
    ----------
    source : str
        Its path inside the folder of photos.
    name : str
        Unique in the atlas; the file's name without suffix, unless two would have the same.
    sha256 : str or None
        Of the file; None where it cannot be read.
    shape : (int, int) or None
        Height and width in pixels.
    objective, pixel_um : float or None
        Magnification, and the side of a pixel in micrometres, as far as known beforehand.
    role : {"overview", "field", "refused", "unreadable"}
        What it turned out to be.
    overview : str or None
        Source of the overview a field lies on; of a refused one, of the best guess (None: none).
    placement : str or None
        The placement's file inside the atlas.
    reason : str
        Why it was placed, refused or left out.
    """

    source: Text
    name: Text
    sha256: Sha256 | None
    shape: tuple[Positive, Positive] | None
    objective: Annotated[float, Field(gt=0)] | None
    pixel_um: Annotated[float, Field(gt=0)] | None
    role: Role
    overview: Text | None = None
    placement: TilePath | None = None
    reason: str = ""


class Atlas(_Model):
    """An atlas, as written to ``medrefine-atlas.json``.

    Attributes
    ----------
    folder : str
        The folder of photos, relative to the atlas's own where that is possible.
    photos : tuple of PhotoRecord
        All of them, by source.
    """

    format: Literal["medrefine-atlas"] = FORMAT
    version: Literal[1] = VERSION
    software: Text
    folder: Text
    photos: tuple[PhotoRecord, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        overviews = {photo.source for photo in self.photos if photo.role == "overview"}
        for photo in self.photos:
            if photo.role == "field" and (photo.overview not in overviews or not photo.placement):
                raise ValueError(f"the field {photo.source} has no place on an overview")
        return self

    @property
    def overviews(self) -> list[PhotoRecord]:
        """The overviews."""
        return [photo for photo in self.photos if photo.role == "overview"]

    def fields_of(self, overview: str) -> list[PhotoRecord]:
        """Return the fields on the overview whose source is `overview`."""
        return [x for x in self.photos if x.role == "field" and x.overview == overview]


def load_atlas(path: str | Path) -> Atlas:
    """Read and check the atlas at `path`, its file or its folder.

    Raises
    ------
    MedRefineError
        If it is missing, damaged, or of a newer version.
    """
    return read_record(record_path(path), Atlas, "an atlas")


def save_atlas(folder: Path, atlas: Atlas) -> None:
    """Write `atlas` into `folder`, whole or not at all."""
    write_record(folder / RECORD, atlas.model_dump(mode="json"))


def record_path(path: str | Path) -> Path:
    """Return the record's file for itself or the atlas's folder."""
    path = Path(path)
    return path / RECORD if path.is_dir() else path


def load_placement(path: str | Path, photo: PhotoRecord) -> Placement | None:
    """Return where a photo of the atlas at `path` lies, or the best guess, if it has one.

    Raises
    ------
    MedRefineError
        If its file is missing or damaged.
    """
    if photo.placement is None:
        return None
    return Placement.load(record_path(path).parent / photo.placement)
