"""An overview and its fields as one scene of OME-Zarr 0.6: every photo, and where it lies.

https://ngff.openmicroscopy.org/0.6/ (RFC-5): a scene's ``affine`` takes points of one picture's
coordinate system to another's. 0.4 and 0.5 know only scales and shifts, so what they can hold is
each photo's pixel size, and no camera angle.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr

from napari_medrefine import __version__
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr import begin
from napari_medrefine.io.ome_zarr_attributes import FACTS_KEY, metadata_of
from napari_medrefine.io.pyramid_writer import check_target, replacing_folder
from napari_medrefine.io.zarr_pyramid import ZarrPyramid
from napari_medrefine.photos import read_photo
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement, placement_file
from napari_medrefine.registration.exchange.sides import Side, Sides, lost, restored
from napari_medrefine.registration.placement import Matrix, inverse

VERSION = "0.6"
SPACE = "physical"  # the coordinate system of each picture


@dataclass(frozen=True, eq=False)
class ScenePhoto:
    """A photo of a scene.

    Attributes
    ----------
    name : str
        Its file, or what it is called.
    image : array
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float; also a lazy one.
    pixel_um : float or None
        Side of a pixel in micrometres.
    """

    name: str
    image: Any
    pixel_um: float | None = None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read it from a file."""
        photo = read_photo(path)
        return cls(Path(path).name, photo.image, photo.pixel_um)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image."""
        return tuple(self.image.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the image."""
        dtype: np.dtype[Any] = np.dtype(self.image.dtype)
        return dtype

    def render(self, top: int, left: int, height: int, width: int) -> npt.NDArray[Any]:
        """Return a part of it."""
        return np.asarray(self.image[top : top + height, left : left + width])


def write_scene(
    path: str | Path,
    overview: ScenePhoto,
    fields: Sequence[tuple[ScenePhoto, Placement]],
    *,
    overwrite: bool = False,
) -> Generator[Step, None, str]:
    """Write a scene as a long job, see `napari_medrefine.progress`.

    Parameters
    ----------
    path : str or Path
        The folder to make, ``NAME.ome.zarr`` by custom; it appears only when it is complete.
    overview : ScenePhoto
        What the fields lie on.
    fields : sequence of (ScenePhoto, Placement)
        Where each lies on it. Unless all pixel sizes are known, lengths are in overview pixels.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    str
        What the transforms cannot hold: lens distortion, with its size; empty if nothing. The
        placements stand in the scene in full too, under our own attribute.

    Raises
    ------
    MedRefineError
        If something cannot be written, or a photo is not the one that was placed.
    """
    target = Path(path)
    measured = all(photo.pixel_um for photo in (overview, *(field for field, _ in fields)))
    names = _names([overview, *(field for field, _ in fields)])
    check_target(target, overview, None, overwrite)
    for field, place in fields:
        _check(overview, field, place)
    with replacing_folder(target) as folder:
        root = zarr.create_group(folder, zarr_format=3)
        photos = [overview, *(field for field, _ in fields)]
        for number, (photo, name) in enumerate(zip(photos, names, strict=True)):
            yield Step(number, len(photos), f"Writing {photo.name}")
            _write(folder / name, photo, photo.pixel_um if measured else None)
        transforms = [
            _transform(name, names[0], place, _um(overview, measured), _um(field, measured))
            for name, (field, place) in zip(names[1:], fields, strict=True)
        ]
        root.attrs.update(_attributes(names, transforms, [place for _, place in fields]))
    said = [f"{field.name}: {lost(place)}" for field, place in fields if lost(place)]
    return " ".join(said)


def read_scene(path: str | Path) -> dict[str, Placement]:
    """Return where the fields of a scene lie on its overview, by the names of the pictures.

    Parameters
    ----------
    path : str or Path
        The folder of the scene; of any writer, as long as each field's transform is affine and
        leads to one picture, the overview.

    Raises
    ------
    MedRefineError
        If it is none, or cannot be read.
    """
    folder = Path(path)
    try:
        root: Any = zarr.open_group(folder, mode="r")
        ome = root.attrs.asdict()["ome"]
        own = root.attrs.asdict().get(FACTS_KEY, {}).get("placements", {})
        return {
            one["input"]["path"]: _placement(root, one, own, folder)
            for one in ome["scene"]["coordinateTransformations"]
        }
    except MedRefineError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        raise MedRefineError(
            f"{folder} is no scene of OME-Zarr 0.6 that holds fields on an overview."
        ) from error


def _names(photos: Sequence[ScenePhoto]) -> list[str]:
    """Return a folder's name for each photo, all different."""
    names: list[str] = []
    for photo in photos:
        stem = "".join(c if c.isalnum() or c in "._-" else "_" for c in Path(photo.name).stem)
        name, number = stem or "photo", 2
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def _check(overview: ScenePhoto, field: ScenePhoto, place: Placement) -> None:
    for photo, shape in ((overview, place.overview_shape), (field, place.field_shape)):
        if photo.shape[:2] != tuple(shape):
            raise MedRefineError(
                f"{photo.name} is {photo.shape[:2]}, but its placement was made for {shape}."
            )


def _um(photo: ScenePhoto, measured: bool) -> float:
    return float(photo.pixel_um or 1.0) if measured else 1.0


def _write(folder: Path, photo: ScenePhoto, pixel_um: float | None) -> None:
    found = metadata_of(photo.name, photo, pixel_um, "0.5")["ome"]
    folder.mkdir()
    begin(folder, photo, "0.5", {"ome": _as_06(found)})  # 0.6 lies on disk as 0.5 does
    pyramid = ZarrPyramid(folder, photo.shape)
    for block in pyramid.blocks():
        pyramid.write(block, photo)


def _as_06(ome: dict[str, Any]) -> dict[str, Any]:
    """Return a picture's attributes of 0.5 as those of 0.6: named coordinate systems."""
    image = dict(ome["multiscales"][0])
    image["coordinateSystems"] = [{"name": SPACE, "axes": image.pop("axes")}]
    image["datasets"] = [
        {
            "path": one["path"],
            "coordinateTransformations": [
                {
                    "type": "sequence",
                    "input": {"path": one["path"]},
                    "output": {"name": SPACE},
                    "transformations": one["coordinateTransformations"],
                }
            ],
        }
        for one in image["datasets"]
    ]
    return {**ome, "version": VERSION, "multiscales": [image]}


def _transform(
    name: str, ground: str, place: Placement, overview_um: float, field_um: float
) -> dict[str, Any]:
    """Return the affine of a field: channels stay, rows and columns are lengths."""
    scale, own = np.diag([overview_um] * 2 + [1.0]), np.diag([field_um] * 2 + [1.0])
    matrix = scale @ place.matrix @ inverse(own)
    affine = np.zeros((3, 4))
    affine[0, 0] = 1.0
    affine[1:, 1:] = matrix[:2]
    return {
        "type": "affine",
        "name": f"{name} on {ground}",
        "affine": affine.tolist(),
        "input": {"path": name, "name": SPACE},
        "output": {"path": ground, "name": SPACE},
    }


def _attributes(
    names: Sequence[str], transforms: list[dict[str, Any]], places: Sequence[Placement]
) -> dict[str, Any]:
    own = {
        name: placement_file.to_json(place) for name, place in zip(names[1:], places, strict=True)
    }
    return {
        "ome": {"version": VERSION, "scene": {"coordinateTransformations": transforms}},
        FACTS_KEY: {"version": __version__, "overview": names[0], "placements": own},
    }


def _placement(root: Any, found: dict[str, Any], own: dict[str, Any], folder: Path) -> Placement:
    field, overview = found["input"]["path"], found["output"]["path"]
    if field is None or overview is None:
        raise MedRefineError(f"{folder} has transforms that do not lead from picture to picture.")
    matrix = inverse(_pixels_to_space(root[overview])) @ _matrix(found)
    matrix = matrix @ _pixels_to_space(root[field])
    sides = Sides(
        Side(field, shape=_shape(root[field])), Side(overview, shape=_shape(root[overview]))
    )
    record = {"placement": own[field]} if field in own else None
    return restored(matrix, record, sides, f"{folder}/{field}", "OME-Zarr")


def _pixels_to_space(group: Any) -> Matrix:
    transforms = group.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    return _matrix(transforms[0])


def _shape(group: Any) -> tuple[int, int]:
    path = group.attrs["ome"]["multiscales"][0]["datasets"][0]["path"]
    height, width = group[path].shape[-2:]
    return int(height), int(width)


def _matrix(transform: dict[str, Any]) -> Matrix:
    """Return the 3x3 of a transform's last two axes.

    Raises
    ------
    MedRefineError
        If it is not affine.
    """
    matrix, kind = np.eye(3), transform["type"]
    if kind == "sequence":
        for one in transform["transformations"]:
            matrix = _matrix(one) @ matrix
    elif kind == "scale":
        matrix[:2, :2] = np.diag(transform["scale"][-2:])
    elif kind == "translation":
        matrix[:2, 2] = transform["translation"][-2:]
    elif kind == "rotation":
        matrix[:2, :2] = np.array(transform["rotation"])[-2:, -2:]
    elif kind == "affine":
        matrix[:2] = np.array(transform["affine"])[-2:, -3:]
    elif kind != "identity":
        raise MedRefineError(f"A transform of the scene is a {kind}; only affine ones can be read.")
    return matrix
