"""BMP through Pillow, as the software of older cameras writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL.BmpImagePlugin import BmpImageFile

from napari_medrefine._photos import scale
from napari_medrefine._photos.base import MODES, Box, as_array, check_size
from napari_medrefine.images import Image


class BmpPhoto:
    """An open BMP file."""

    note = ""
    texts: Sequence[str] = ()

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._file = file
        self._image = BmpImageFile(file, str(path))
        mode = "L" if self._image.mode == "1" else self._image.mode
        self._mode = mode if mode in MODES else "RGB"
        self.shape: tuple[int, ...] = (self._image.height, self._image.width, *MODES[self._mode])
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint8)
        check_size(self.shape, 1, path.stat().st_size)
        x, y = (float(dots) for dots in self._image.info.get("dpi", (0.0, 0.0)))
        self.pixel_um = scale.square(scale.from_density(x, y, "inch"))

    def pixels(self) -> Image:
        """Decode the pixels."""
        return as_array(self._image, self._mode)

    def reduced(self, box: Box, side: int) -> npt.NDArray[np.uint8] | None:
        """Return None: it is no faster."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
