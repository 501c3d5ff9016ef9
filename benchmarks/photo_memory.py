"""How much memory reading a photo takes, format by format, as a ratio to the size it decodes to.

    python benchmarks/photo_memory.py [--height 9000 --width 12000] [--only png]

Every photo is read in a fresh process, after a small one of the same format was read there, so
that libraries count for nothing. What is measured is the process's own peak (Linux: VmHWM).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image as Pillow
from skimage.data import immunohistochemistry

from napari_medrefine.photos import write_image

Pixels = np.ndarray
SMALL = (64, 96)
MIB = 2**20

_READ = """
import sys
from pathlib import Path
from napari_medrefine.photos import read_photo

def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

small, large = sys.argv[1:]
read_photo(small)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = kib("VmRSS")
image = read_photo(large).image
print(kib("VmHWM") - before, image.nbytes)
"""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=9000)
    parser.add_argument("--width", type=int, default=12000)
    parser.add_argument("--only", default="", help="formats whose name has this in it")
    arguments = parser.parse_args()
    shape = arguments.height, arguments.width
    print(
        f"| photo of {shape[1]:,} x {shape[0]:,} | file, MiB | decoded, MiB | peak, MiB | ratio |"
    )
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, write in WRITERS.items():
        if arguments.only in name:
            with tempfile.TemporaryDirectory() as folder:
                _measure(name, write, shape, Path(folder))


def _measure(
    name: str, write: Callable[[Path, Pixels], None], shape: tuple[int, int], folder: Path
) -> None:
    suffix = "." + name.split()[0].lower()
    small, large = folder / f"small{suffix}", folder / f"large{suffix}"
    write(small, picture(SMALL))
    write(large, picture(shape))
    command = [sys.executable, "-c", _READ, str(small), str(large)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    peak, decoded = int(told[0]) * 1024, int(told[1])
    sizes = f"{large.stat().st_size / MIB:.0f} | {decoded / MIB:.0f} | {peak / MIB:.0f}"
    print(f"| {name} | {sizes} | {peak / decoded:.2f} |", flush=True)


def picture(shape: tuple[int, int]) -> Pixels:
    """Return stained tissue of that shape, repeated."""
    tissue = immunohistochemistry()
    times = [-(-side // own) for side, own in zip(shape, tissue.shape, strict=False)]
    return np.tile(tissue, (*times, 1))[: shape[0], : shape[1]]


def _deep(image: Pixels) -> Pixels:
    deep = image.astype(np.uint16)
    deep *= 257
    return deep


def _opaque(image: Pixels) -> Pixels:
    return np.dstack([image, np.full(image.shape[:2], 255, image.dtype)])


def _turned(image: Pixels, path: Path, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    Pillow.fromarray(image).save(path, exif=exif)


WRITERS: dict[str, Callable[[Path, Pixels], None]] = {
    "jpg RGB 4:4:4": lambda p, x: Pillow.fromarray(x).save(p, quality=95, subsampling=0),
    "jpg RGB 4:2:0": lambda p, x: Pillow.fromarray(x).save(p, quality=90),
    "jpg RGB, progressive 4:4:4": lambda p, x: Pillow.fromarray(x).save(
        p, quality=95, subsampling=0, progressive=True
    ),
    "jpg RGB, progressive 4:2:0": lambda p, x: Pillow.fromarray(x).save(p, progressive=True),
    "jpg grey": lambda p, x: Pillow.fromarray(x[..., 1]).save(p, quality=95),
    "jpg CMYK": lambda p, x: Pillow.fromarray(x).convert("CMYK").save(p, quality=90),
    "jpg RGB, turned by 180": lambda p, x: _turned(x, p, 3),
    "jpg RGB, turned by 90": lambda p, x: _turned(x, p, 6),
    "png RGB": lambda p, x: Pillow.fromarray(x).save(p, compress_level=1),
    "png RGB, turned by 90": lambda p, x: _turned(x, p, 8),
    "png RGBA": lambda p, x: Pillow.fromarray(_opaque(x)).save(p, compress_level=1),
    "png grey": lambda p, x: Pillow.fromarray(x[..., 1]).save(p, compress_level=1),
    "png palette": lambda p, x: Pillow.fromarray(x).quantize(64).save(p, compress_level=1),
    "png grey and alpha": lambda p, x: Pillow.fromarray(_opaque(x)[..., 2:]).save(
        p, compress_level=1
    ),
    "png 16-bit RGB": lambda p, x: write_image(p, _deep(x)),
    "png 16-bit grey": lambda p, x: write_image(p, _deep(x[..., 1])),
    "tif RGB": lambda p, x: tifffile.imwrite(p, x, photometric="rgb"),
    "tif RGB, deflate": write_image,
    "tif RGB, deflate, one strip": lambda p, x: tifffile.imwrite(
        p, x, photometric="rgb", compression="zlib", rowsperstrip=x.shape[0]
    ),
    "tif RGB, LZW, predictor": lambda p, x: tifffile.imwrite(
        p, x, photometric="rgb", compression="lzw", predictor=True
    ),
    "tif RGB, tiles of JPEG": lambda p, x: tifffile.imwrite(
        p, x, photometric="rgb", compression="jpeg", tile=(256, 256)
    ),
    "tif RGB, strips of JPEG as YCbCr": lambda p, x: Pillow.fromarray(x).save(
        p, compression="jpeg"
    ),
    "tif RGB, planes": lambda p, x: tifffile.imwrite(
        p, x.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="zlib"
    ),
    "tif RGB, turned by 90": lambda p, x: tifffile.imwrite(
        p, x, photometric="rgb", extratags=[(274, "H", 1, 6, True)]
    ),
    "tif 16-bit RGB": lambda p, x: write_image(p, _deep(x)),
    "tif 16-bit grey": lambda p, x: write_image(p, _deep(x[..., 1])),
    "tif float grey": lambda p, x: write_image(p, x[..., 1].astype(np.float32)),
    "tif int32 grey": lambda p, x: tifffile.imwrite(p, x[..., 1].astype(np.int32)),
    "tif grey, white is zero": lambda p, x: tifffile.imwrite(
        p, x[..., 1], photometric="miniswhite", compression="zlib"
    ),
    "tif CMYK": lambda p, x: Pillow.fromarray(x).convert("CMYK").save(p),
    "tif palette": lambda p, x: Pillow.fromarray(x).quantize(64).save(p),
}


if __name__ == "__main__":
    main()
