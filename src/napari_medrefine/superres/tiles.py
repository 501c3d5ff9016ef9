"""The tiles that networks are trained on: in memory, or on disk in a prepared dataset.

Tiles on disk are read when they are needed and kept as long as there is room, so that a dataset may
be larger than the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from napari_medrefine._hashing import sha256_of_file
from napari_medrefine.dataset import TiledDataset, TileEntry, open_dataset
from napari_medrefine.dataset.recipe import Split
from napari_medrefine.errors import MedRefineError

CACHE = 2**30  # bytes of tiles kept in memory: 5,461 of 256 x 256

Pixels = npt.NDArray[np.uint8]


class Tile:
    """A sharp piece of a photo, and the slide it comes from.

    Parameters
    ----------
    sharp : ndarray
        uint8 ``(H, W, 3)``.
    slide : str
        The tiles of a slide are all trained on, or all held out.
    """

    __slots__ = ("_sharp", "slide")

    def __init__(self, sharp: Pixels, slide: str) -> None:
        self._sharp, self.slide = sharp, slide

    @property
    def sharp(self) -> Pixels:
        """The pixels, uint8 ``(H, W, 3)``; not to be written to."""
        return self._sharp

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W, 3)``, known without reading."""
        return self._sharp.shape

    @property
    def content(self) -> bytes:
        """What is the same for the same pixels only, without reading."""
        return self._sharp.tobytes()

    @property
    def pixel_um(self) -> float | None:
        """The side of a pixel on the slide in micrometres, where it is known."""
        return None


class StoredTile(Tile):
    """A tile of a prepared dataset, read when its pixels are asked for."""

    __slots__ = ("_shelf", "entry")

    def __init__(self, shelf: _Shelf, entry: TileEntry, slide: str) -> None:
        self._shelf, self.entry, self.slide = shelf, entry, slide

    @property
    def sharp(self) -> Pixels:
        """The pixels, uint8 ``(H, W, 3)``; not to be written to.

        Raises
        ------
        MedRefineError
            If the file is missing, damaged, or not what the manifest says.
        """
        return self._shelf.pixels(self.entry)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W, 3)``, known without reading."""
        side = self._shelf.dataset.manifest.recipe.tile
        return side, side, 3

    @property
    def content(self) -> bytes:
        """What is the same for the same pixels only, without reading."""
        layer = self._shelf.dataset.photo(self.entry).layer
        white = f" {layer.white}" if layer else ""
        return f"{self.entry.sha256}{white}".encode()

    @property
    def pixel_um(self) -> float | None:
        """The side of a pixel on the slide in micrometres, where the manifest has it."""
        return self._shelf.dataset.photo(self.entry).pixel_um


class TileDataset(Dataset[Tensor]):
    """The tiles of one part of a prepared dataset, for PyTorch; ``dataset[i]`` is a tensor.

    A tensor is float32 ``(3, H, W)``, red, green and blue in [0, 1], white at 1. It may be changed:
    nobody else has it. A `DataLoader` may read it in any number of processes, also spawned ones.

    Parameters
    ----------
    dataset : path or TiledDataset
        The manifest or its folder.
    split : {"train", "validation", "test"}, optional
        Which part; all tiles by default.
    transform : callable, optional
        Called with each tensor; what it returns is ``dataset[i]``.
    cache : int
        Bytes of decoded tiles to keep in memory, those of all worker processes together.

    Attributes
    ----------
    tiles : tuple of StoredTile
        The same tiles as numpy arrays, with their slides and their entries in the manifest. In a
        dataset that is split by photo, each photo counts as a slide of its own.

    Raises
    ------
    MedRefineError
        If the dataset cannot be read, or lacks a tile of that part. Reading a tile that has been
        damaged since, or changed, raises it too, naming the file.
    """

    def __init__(
        self,
        dataset: str | Path | TiledDataset,
        split: Split | None = None,
        *,
        transform: Callable[[Tensor], Tensor] | None = None,
        cache: int = CACHE,
    ) -> None:
        opened = dataset if isinstance(dataset, TiledDataset) else open_dataset(dataset)
        entries = opened.tiles(split)
        _refuse_gaps(opened, entries)
        self.transform, self.cache = transform, cache
        shelf = _Shelf(opened, cache)
        self.tiles = tuple(StoredTile(shelf, e, _slide(opened, e)) for e in entries)

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> Tensor:
        planes = np.ascontiguousarray(self.tiles[index].sharp.transpose(2, 0, 1))
        tensor = torch.from_numpy(planes).to(torch.float32).div_(255)
        return tensor if self.transform is None else self.transform(tensor)

    @property
    def fits(self) -> bool:
        """Whether all tiles have room in the cache."""
        return sum(math.prod(tile.shape) for tile in self.tiles) <= self.cache

    def read_all(self) -> None:
        """Read every tile now: the cache is filled, and what is damaged comes to light."""
        for tile in self.tiles:
            _ = tile.sharp


class _Shelf:
    """Reads tiles and keeps those used last, as many as there is room for."""

    def __init__(self, dataset: TiledDataset, room: int) -> None:
        self.dataset, self.room = dataset, room
        self._kept: dict[str, Pixels] = {}
        self._bytes = 0

    def __reduce__(self) -> tuple[type[_Shelf], tuple[TiledDataset, int]]:
        return _Shelf, (self.dataset, self.room)  # a spawned process reads for itself

    def pixels(self, entry: TileEntry) -> Pixels:
        sharp = self._kept.pop(entry.file, None)
        if sharp is None:
            sharp = _read(self.dataset, entry)
            self._bytes += sharp.nbytes
        self._kept[entry.file] = sharp  # the last one now
        self._make_room()
        return sharp

    def _make_room(self) -> None:
        worker = get_worker_info()
        room = self.room // worker.num_workers if worker else self.room
        while self._bytes > room and self._kept:
            self._bytes -= self._kept.pop(next(iter(self._kept))).nbytes


def _read(dataset: TiledDataset, entry: TileEntry) -> Pixels:
    sharp = dataset.read_tile(entry)
    path = dataset.folder / entry.file
    if sha256_of_file(path) != entry.sha256:
        raise MedRefineError(
            f"{path} is not the tile that the manifest describes; prepare the dataset again."
        )
    sharp.flags.writeable = False
    return sharp


def _slide(dataset: TiledDataset, entry: TileEntry) -> str:
    slide = dataset.photo(entry).slide
    return f"{slide}: {entry.photo}" if dataset.manifest.split_by == "photo" else slide


def _refuse_gaps(dataset: TiledDataset, entries: Sequence[TileEntry]) -> None:
    gone = set(dataset.differences().missing) & {entry.file for entry in entries}
    if gone:
        raise MedRefineError(
            f"The dataset {dataset.folder} lacks {len(gone)} of its tiles, such as {min(gone)}; "
            "prepare it again."
        )
