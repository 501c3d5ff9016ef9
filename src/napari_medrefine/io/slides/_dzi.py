"""The description of a Deep Zoom picture: a few attributes of a small XML file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from pydantic import BaseModel, Field, ValidationError

from napari_medrefine._paths import open_file
from napari_medrefine._records import first_problem
from napari_medrefine.errors import MedRefineError

_LARGEST = 2**20  # bytes; a description has a few hundred
_FORMATS = ("jpg", "jpeg", "png")


class DeepZoom(BaseModel):
    """What the XML says: sizes in pixels, and how the tiles' names end."""

    width: int = Field(alias="Width", gt=0, lt=2**31)
    height: int = Field(alias="Height", gt=0, lt=2**31)
    tile: int = Field(alias="TileSize", gt=0, le=2**14)
    overlap: int = Field(alias="Overlap", ge=0, le=2**13)
    format: str = Field(alias="Format")

    @property
    def finest(self) -> int:
        """Number of the finest level; level 0 is a single pixel."""
        return (max(self.width, self.height) - 1).bit_length()

    def size(self, level: int) -> tuple[int, int]:
        """Return height and width of a level."""
        factor = 2 ** (self.finest - level)
        return -(-self.height // factor), -(-self.width // factor)

    def levels(self) -> list[int]:
        """Return the levels' numbers, the finest first, down to the first that is one tile."""
        smallest = (-(-max(self.width, self.height) // self.tile) - 1).bit_length()
        return [self.finest - i for i in range(min(smallest, self.finest) + 1)]


class _NoDoctype(ET.TreeBuilder):
    """Refuses what could define entities, before any is read."""

    def doctype(self, *_: str | None) -> None:
        """Refuse a document type."""
        raise MedRefineError("it declares a document type, which Deep Zoom has no use for")


def read_description(path: Path) -> DeepZoom:
    """Read a ``.dzi`` file.

    Raises
    ------
    MedRefineError
        If it is no such description; a reason, not a sentence.
    """
    with open_file(path) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise MedRefineError("it is too large for the description of a Deep Zoom picture")
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - without entities
    try:
        root = ET.fromstring(content, parser)  # noqa: S314
    except ET.ParseError as error:
        raise MedRefineError(f"it is damaged, not XML ({error})") from error
    size = next((child for child in root if child.tag.rpartition("}")[2] == "Size"), None)
    if root.tag.rpartition("}")[2] != "Image" or size is None:
        raise MedRefineError("it does not describe a Deep Zoom picture")
    return _checked({**root.attrib, **size.attrib})


def _checked(attributes: dict[str, str]) -> DeepZoom:
    try:
        described = DeepZoom.model_validate(attributes)
    except ValidationError as error:
        raise MedRefineError(f"its description is damaged ({first_problem(error)})") from error
    # The format becomes part of a file's name: nothing that leads to another folder.
    if described.format.lower() not in _FORMATS:
        raise MedRefineError(f"its tiles are '{described.format[:20]}'; jpg and png can be read")
    return described
