"""Small slides of every format, each a file and perhaps a folder beside it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import tifffile
import zarr
from PIL import Image as Pillow

from fuzzing.photos import picture

DZI = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="png" Overlap="1" '
    'TileSize="16"><Size Height="{0}" Width="{1}"/></Image>'
)


def write_ome_zarr(path: Path, version: str) -> None:
    """Write two levels, colours first, without compression of the metadata's spirit."""
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for index, step in enumerate((1, 2)):
        level = np.moveaxis(picture()[::step, ::step], 2, 0)
        group.create_array(f"s{index}", shape=level.shape, chunks=(1, 16, 16), dtype=level.dtype)
        group[f"s{index}"][:] = level
        scale = {"type": "scale", "scale": [1.0, 0.5 * step, 0.5 * step]}
        datasets.append({"path": f"s{index}", "coordinateTransformations": [scale]})
    space = {"type": "space", "unit": "micrometer"}
    axes = [{"name": "c", "type": "channel"}, {"name": "y", **space}, {"name": "x", **space}]
    image = {"axes": axes, "datasets": datasets}
    channels = [
        {"label": n, "color": c} for n, c in zip("RGB", ("FF0000", "00FF00", "0000FF"), strict=True)
    ]
    about = {"multiscales": [image], "omero": {"channels": channels}}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, **about}
    else:
        image["version"] = version
        group.attrs.update(about)


def write_deep_zoom(path: Path) -> None:
    """Write a ``.dzi`` and its tiles."""
    pixels = picture()
    path.write_text(DZI.format(*pixels.shape[:2]))
    for number in range(math.ceil(math.log2(max(pixels.shape))), -1, -1):
        folder = path.with_name(f"{path.stem}_files") / str(number)
        folder.mkdir(parents=True)
        for row in range(-(-pixels.shape[0] // 16)):
            for col in range(-(-pixels.shape[1] // 16)):
                rows = slice(max(row * 16 - 1, 0), (row + 1) * 16 + 1)
                cols = slice(max(col * 16 - 1, 0), (col + 1) * 16 + 1)
                Pillow.fromarray(pixels[rows, cols]).save(folder / f"{col}_{row}.png")
        pixels = np.ascontiguousarray(pixels[::2, ::2])


def write_pyramid(path: Path, **options: object) -> None:
    """Write a tiled TIFF of two levels."""
    with tifffile.TiffWriter(path, ome=path.name.endswith(".ome.tif")) as file:
        tiles = {"tile": (16, 16), "photometric": "rgb", "compression": "zlib", **options}
        file.write(picture(), subifds=1, **tiles)
        file.write(picture()[::2, ::2].copy(), subfiletype=1, **tiles)


def write_slides(folder: Path) -> dict[str, Path]:
    """Write one of each; return what is opened, by name."""
    for version in ("0.4", "0.5"):
        write_ome_zarr(folder / f"v{version}" / "slide.ome.zarr", version)
    (folder / "dz").mkdir()
    write_deep_zoom(folder / "dz" / "slide.dzi")
    (folder / "tiff").mkdir()
    write_pyramid(folder / "tiff" / "slide.ome.tif")
    write_pyramid(folder / "tiff" / "slide.tif", compression="jpeg")
    return {
        "zarr 0.4": folder / "v0.4" / "slide.ome.zarr",
        "zarr 0.5": folder / "v0.5" / "slide.ome.zarr",
        "deep zoom": folder / "dz" / "slide.dzi",
        "ome tiff": folder / "tiff" / "slide.ome.tif",
        "jpeg tiff": folder / "tiff" / "slide.tif",
    }
