"""Photos on disk: finding, reading and writing them, with what they say of their magnification."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from napari_medrefine._atomic import cannot, replacing
from napari_medrefine._paths import open_file
from napari_medrefine._photos import encode, scale
from napari_medrefine._photos.base import PhotoFile
from napari_medrefine._photos.bmp import BmpPhoto
from napari_medrefine._photos.jpeg_png import PillowPhoto
from napari_medrefine._photos.refusal import one_sentence
from napari_medrefine._photos.tiff import TiffPhoto
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image
from napari_medrefine.progress import look_up

_Writer = Callable[[BinaryIO, Image, float | None, str], None]
_WRITERS: dict[str, _Writer] = {
    ".png": encode.write_png,
    ".jpg": encode.write_jpeg,
    ".jpeg": encode.write_jpeg,
    ".tif": encode.write_tiff,
    ".tiff": encode.write_tiff,
}
SUFFIXES = frozenset(_WRITERS) | {".bmp"}  # what is read

_READERS: dict[bytes, Callable[[Path, BinaryIO], PhotoFile]] = {
    b"\xff\xd8\xff": PillowPhoto,
    b"\x89PNG": PillowPhoto,
    b"BM": BmpPhoto,
    b"II*\0": TiffPhoto,
    b"MM\0*": TiffPhoto,
    b"II+\0": TiffPhoto,
    b"MM\0+": TiffPhoto,
}


@dataclass(frozen=True, slots=True)
class PhotoHeader:
    """What a photo's file says before its pixels are decoded.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        The file's name without its suffix.
    shape : tuple of int
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``, upright.
    dtype : numpy.dtype
        uint8, uint16 or float.
    objective : float or None
        The objective's magnification, e.g. 40.0.
    pixel_um : float or None
        The side of a pixel on the slide in micrometres.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    objective: float | None
    pixel_um: float | None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as stored: its pixels, and what its file says of its magnification.

    Attributes
    ----------
    image : ndarray
        ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA; uint8, uint16 or float; upright.
    path : Path
        The file.
    name : str
        The file's name without its suffix.
    objective : float or None
        The objective's magnification, e.g. 40.0.
    pixel_um : float or None
        The side of a pixel on the slide in micrometres.
    """

    image: Image
    path: Path
    name: str
    objective: float | None
    pixel_um: float | None


def find_photos(folder: str | Path, *, recursive: bool = False) -> list[Path]:
    """Return the JPEG, PNG, TIFF and BMP files in `folder`, sorted; hidden ones are skipped.

    A whole disk takes long: a job can be stopped at every sub-folder.

    Raises
    ------
    MedRefineError
        If there is no such folder, or it cannot be read.
    """
    top = Path(folder)

    def refuse(error: OSError) -> None:
        raise MedRefineError(cannot("read the folder", Path(error.filename or top), error))

    found = []
    for root, folders, files in os.walk(top, onerror=refuse):
        look_up()
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        photos = (name for name in files if not name.startswith("."))
        found += [Path(root, name) for name in photos if Path(name).suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: path.relative_to(top).as_posix())


def no_photos(folder: str | Path) -> MedRefineError:
    """Return the sentence for a folder in which there is nothing to read."""
    return MedRefineError(
        f"There are no JPEG, PNG, TIFF or BMP photos in {Path(folder).absolute()}."
    )


def read_photo(path: str | Path) -> Photo:
    """Read a JPEG, PNG, TIFF or BMP photo.

    It comes upright (EXIF orientation applied), with 16 bits and alpha kept, palettes and CMYK
    turned into RGB. The objective comes from the file name (``slide1_40x_3.jpg``), the metadata or
    the folder's name; the pixel size from OME, ImageJ or resolution entries, where plausible.

    Raises
    ------
    MedRefineError
        If the file is missing, truncated, corrupt, no photo, or a decompression bomb.
    """
    with open_photo(Path(path)) as (header, file):
        image = check_image(file.pixels(), f"photo {header.path.name}")
    return Photo(image, header.path, header.name, header.objective, header.pixel_um)


def read_header(path: str | Path) -> PhotoHeader:
    """Read what a photo's file says of itself, without decoding the pixels; see `read_photo`."""
    with open_photo(Path(path)) as (header, _):
        return header


def as_rgb(image: Image) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 (H, W, 3): grey repeated, alpha laid on white, white at 255."""
    picture = encode.flatten(encode.to_8_bits(image))
    return picture if picture.ndim == 3 else picture[..., None].repeat(3, axis=2)


def read_note(path: str | Path) -> str:
    """Return what `write_image` noted in a file; empty where it noted nothing."""
    with open_photo(Path(path)) as (_, file):
        return file.note


def write_image(
    path: str | Path, image: Image, *, pixel_um: float | None = None, note: str = ""
) -> None:
    """Write `image` as PNG, JPEG or TIFF, as the suffix of `path` says; whole or not at all.

    PNG keeps uint8 and uint16 and gives floats 16 bits; JPEG has 8 bits and no transparency; TIFF
    keeps everything. `pixel_um` goes into the file's resolution entries, `note`, a provenance as
    text, into its description.

    Raises
    ------
    MedRefineError
        If the suffix is another, the image is none, `pixel_um` is beyond 0.001 to 1,000,000, or
        the file cannot be written.
    """
    target = Path(path)
    writer = writer_of(target)
    if pixel_um and not 1e-3 <= pixel_um <= 1e6:  # what resolution entries can hold
        raise MedRefineError(
            f"Cannot write {target}: a pixel of {pixel_um:g} um is none that a photo can have."
        )
    checked = check_image(image)
    with replacing(target) as file:
        writer(file, checked, pixel_um, note)


def writer_of(target: Path) -> _Writer:
    """Return what writes a photo of this name; worth asking before the photo is made.

    Raises
    ------
    MedRefineError
        If the suffix is none that `write_image` knows.
    """
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise MedRefineError(
            f"Cannot write {target}: the name must end in .png, .jpg, .jpeg, .tif or .tiff."
        )
    return writer


@contextmanager
def open_photo(path: Path) -> Iterator[tuple[PhotoHeader, PhotoFile]]:
    """Open `path` for more than `read_photo` does; whatever goes wrong becomes one sentence."""
    with one_sentence(path), open_file(path) as stream:
        file = _reader(stream)(path, stream)
        try:
            yield _header(path, file), file
        finally:
            file.close()


def _reader(stream: BinaryIO) -> Callable[[Path, BinaryIO], PhotoFile]:
    start = stream.read(4)
    stream.seek(0)
    if not start:
        raise MedRefineError("the file is empty")
    for magic, reader in _READERS.items():
        if start.startswith(magic):
            return reader
    raise MedRefineError("it is not a JPEG, PNG, TIFF or BMP file")


def _header(path: Path, file: PhotoFile) -> PhotoHeader:
    name = path.stem.removesuffix(".ome")
    objective = scale.objective_of(path, file.texts)
    return PhotoHeader(path, name, file.shape, file.dtype, objective, file.pixel_um)
