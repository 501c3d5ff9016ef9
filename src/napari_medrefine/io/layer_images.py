"""napari writer of image layers as OME-TIFF and OME-Zarr: they open again as they were.

Other programs find the pixels, the pixel size in micrometres and, in OME-Zarr, where the image
lies, unless it is turned: then only `layer_reader` knows.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import zarr

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._image_layer import ImageLayer, LayerSource, as_image_layer
from napari_medrefine.io._layers import LayerData
from napari_medrefine.io._saved_layer import SavedLayer, where
from napari_medrefine.io.ome_tiff import write_pictures
from napari_medrefine.io.ome_tiff_picture import Picture
from napari_medrefine.io.ome_zarr import write_ome_zarr
from napari_medrefine.io.pyramid_writer import replacing_folder
from napari_medrefine.io.writer import SavingError
from napari_medrefine.progress import Step, finish

TIFF, ZARR = (".ome.tif", ".ome.tiff"), ".ome.zarr"


def write_images(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save image layers into one file (npe2); see `save_image_steps`.

    Raises
    ------
    SavingError
        Where `save_image_steps` raises a `MedRefineError`.
    """
    try:
        return [str(finish(save_image_steps(path, layers)))]
    except MedRefineError as error:
        raise SavingError(str(error)) from error


def save_image_steps(path: str | Path, layers: Sequence[LayerData]) -> Generator[Step, None, Path]:
    """Save image layers as one OME-TIFF or OME-Zarr, as a long job; what is there is replaced.

    Pixels, dtype, channels, name, place, units, looks and metadata come back exactly, see
    `layer_reader`; of the metadata what JSON can hold. A layer with several levels gets them anew,
    by means over 2 x 2 pixels.

    Parameters
    ----------
    path : path
        ``NAME.ome.tif`` or ``NAME.ome.zarr``; the first is added where it is missing.
    layers : list of (data, attributes, "image")
        Images, grey, RGB or RGBA, and stacks of them; uint8, uint16 or float; lazy ones are read
        part by part, a stack plane by plane. Its axes become times, channels and depths as
        `image_axes.axis_letters` has it.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MedRefineError
        If a layer is none of these, or something cannot be written; nothing has changed then.
    """
    target = _target(Path(path))
    if not layers:
        raise MedRefineError("There are no layers to save.")
    in_tiff = target.name.lower().endswith(TIFF)
    kept = [as_image_layer(*one, colours_are_channels=not in_tiff) for one in layers]
    if in_tiff:
        pictures = [_picture(layer) for layer in kept]
        return (yield from write_pictures(target, pictures, overwrite=True))
    if len(kept) == 1:
        return (yield from _write_zarr(target, kept[0]))
    return (yield from _write_zarrs(target, kept))


def _target(path: Path) -> Path:
    """Return the path with its ending; one that nobody has been asked about must not exist yet."""
    name = path.name.lower()
    if name.endswith((*TIFF, ZARR)):
        return path
    ending = ZARR if name.endswith(".zarr") else TIFF[0]
    target = path.with_name(path.name.removesuffix(".zarr").removesuffix(".tif") + ending)
    if target.exists():
        raise MedRefineError(
            f"{target} exists already; to replace it, save under just that name, {target.name}."
        )
    return target


def _picture(layer: ImageLayer) -> Picture:
    dtype = np.float32 if layer.dtype == np.float16 else layer.dtype  # OME-TIFF has no float16
    place, facts = where(layer), SavedLayer.of(layer).facts()
    return Picture(LayerSource(layer, dtype), place.pixel_um, layer.name, facts, place.stack)


def _write_zarr(path: Path, layer: ImageLayer) -> Generator[Step, None, Path]:
    place = where(layer)
    return (
        yield from write_ome_zarr(
            path,
            LayerSource(layer),
            pixel_um=place.pixel_um,
            origin=place.origin,
            name=layer.name,
            overwrite=True,
            facts=next(iter(SavedLayer.of(layer).facts().values())),
            stack=place.stack,
        )
    )


def _write_zarrs(path: Path, layers: Sequence[ImageLayer]) -> Generator[Step, None, Path]:
    """Write several pictures side by side, numbered, as bioformats2raw lays them out."""
    with replacing_folder(path) as folder:
        for number, layer in enumerate(layers):
            yield from _write_zarr(folder / str(number), layer)
        group = zarr.create_group(folder, zarr_format=3, overwrite=False)
        group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    return path
