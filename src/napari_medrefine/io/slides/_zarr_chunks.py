"""What is checked before a Zarr chunk is decoded: only codecs of numbers run, and no bomb goes off.

A chunk says for itself how large it becomes, and its codec believes it: a few kilobytes could take
all memory there is. And one of numcodecs' codecs is Python's pickle, which runs what it reads.
"""

from __future__ import annotations

import bz2
import json
import lzma
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_medrefine._paths import open_file, read_file
from napari_medrefine._photos.base import BOMB_BYTES, BOMB_RATIO
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image

# Those that turn numbers into numbers, or bytes into bytes.
_CODECS = frozenset(
    [
        "adler32",
        "astype",
        "bitround",
        "blosc",
        "bytes",
        "bz2",
        "crc32",
        "crc32c",
        "delta",
        "fixedscaleoffset",
        "fletcher32",
        "gzip",
        "lz4",
        "lzma",
        "packbits",
        "quantize",
        "sharding_indexed",
        "shuffle",
        "transpose",
        "zlib",
        "zstd",
    ]
)
_SIZES = {  # where an array says how large its chunks are, in Zarr 2 and 3
    ".zarray": ("chunks",),
    "zarr.json": ("chunk_grid", "configuration", "chunk_shape"),
}
_LARGEST = 2**31  # bytes of a decoded chunk; what blosc can hold
_DEFLATE = 1032  # times that deflate makes the smallest file larger
_AT_ONCE = 2**16  # bytes read
_PIECE = 2**20  # bytes that come out at once


class Chunks:
    """A Zarr array whose chunks are looked at before they are decoded.

    Parameters
    ----------
    array : zarr.Array
        In a folder.
    folder : Path
        Of the group that it was opened from.

    Raises
    ------
    MedRefineError
        If it is stored with something else than codecs of numbers; a reason, not a sentence.
    """

    def __init__(self, array: Any, folder: Path) -> None:
        self._array, self._folder = array, folder / array.path
        self.shape, self.dtype = tuple(array.shape), array.dtype
        self._chunks: tuple[int, ...] = array.shards or array.chunks
        self._codecs = _codecs_of(array.metadata.to_dict())
        for name in self._codecs:
            if name not in _CODECS and not name.startswith("imagecodecs_"):
                raise MedRefineError(f"it is stored with '{name[:40]}', no compression of images")
        self._bytes = math.prod(self._chunks) * np.dtype(array.dtype).itemsize
        if self._bytes > _LARGEST:
            raise MedRefineError(
                f"it is stored in parts of {self._bytes:,} bytes each, too many to be decoded"
            )

    def __getitem__(self, index: tuple[slice | int, ...]) -> Image:
        """Read a part; `index` has a slice or a number for each axis."""
        for chunk in self._touched(index):
            self._check(self._folder / self._array.metadata.encode_chunk_key(chunk))
        return np.asarray(self._array[index])

    def _touched(self, index: tuple[slice | int, ...]) -> Iterator[tuple[int, ...]]:
        ranges = []
        for part, side, length in zip(index, self._chunks, self.shape, strict=True):
            rows = range(length)[part] if isinstance(part, slice) else range(part, part + 1)
            ranges.append(range(rows.start // side, (rows.stop - 1) // side + 1))
        return product(*ranges)

    def _check(self, path: Path) -> None:
        try:
            size = path.stat().st_size
            with open_file(path) as file:
                becomes = self._becomes(file, size)
        except FileNotFoundError:
            return  # it stands for the fill value
        bomb = self._bytes > BOMB_BYTES and self._bytes > BOMB_RATIO * size
        if bomb or becomes > self._most:
            raise MedRefineError(
                f"its part {path.name} has {size:,} bytes and decodes to "
                f"{'far more than it should' if not bomb else f'{self._bytes:,}'} "
                "(a decompression bomb)"
            )

    @property
    def _most(self) -> int:
        """Bytes that a chunk may become before its filters widen or narrow the numbers."""
        return int(8 * self._bytes + 2**20)

    def _becomes(self, file: BinaryIO, size: int) -> int:
        """Return how large a chunk becomes, as it says, or, from deflate on, as is found out."""
        last = next((c for c in reversed(self._codecs) if c not in ("crc32c", "crc32")), "")
        if last in _CLAIMS:
            return _CLAIMS[last](file.read(18))
        few = last in ("zlib", "gzip") and size * _DEFLATE < self._most
        if last not in _DECODERS or few:
            return 0
        return _counted(file, _DECODERS[last](), self._most)


def _codecs_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of an array's codecs in the order in which they encode."""
    if metadata["zarr_format"] == 2:
        configs = [*(metadata.get("filters") or ()), metadata.get("compressor")]
        return [str(config.get("id")) for config in configs if config]
    return [str(name) for name in _names(metadata["codecs"])]


def _names(codecs: Any) -> Iterator[Any]:
    for codec in codecs:
        configuration = codec.get("configuration") or {}
        yield from _names(configuration.get("codecs", ()))
        yield codec.get("name")


def _blosc(head: bytes) -> int:
    return int.from_bytes(head[4:8], "little")


def _lz4(head: bytes) -> int:
    return int.from_bytes(head[:4], "little")


def _zstd(head: bytes) -> int:
    """Return what the frame says (RFC 8878, 3.1.1.1), 0 where it does not."""
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        return 0
    flag, single = head[4] >> 6, head[4] >> 5 & 1
    at = 5 + (not single) + (0, 1, 2, 4)[head[4] & 3]
    length = (single, 2, 4, 8)[flag]
    return int.from_bytes(head[at : at + length], "little") + (256 if flag == 1 else 0)


_CLAIMS: dict[str, Callable[[bytes], int]] = {"blosc": _blosc, "lz4": _lz4, "zstd": _zstd}
_DECODERS: dict[str, Callable[[], Any]] = {
    "zlib": zlib.decompressobj,
    "gzip": lambda: zlib.decompressobj(31),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def _counted(file: BinaryIO, decoder: Any, most: int) -> int:
    """Return how many bytes come out, at most about `most`; damage is for the codec to tell."""
    total = 0
    with suppress(zlib.error, OSError, lzma.LZMAError, EOFError):
        while total <= most and not decoder.eof and (content := file.read(_AT_ONCE)):
            total += len(decoder.decompress(content, _PIECE))
            while total <= most and not decoder.eof and _holds_more(decoder):
                rest = getattr(decoder, "unconsumed_tail", b"")  # of zlib; the others keep theirs
                total += len(decoder.decompress(rest, _PIECE))
    return total


def _holds_more(decoder: Any) -> bool:
    """Return whether more comes out before more is read."""
    if hasattr(decoder, "unconsumed_tail"):
        return bool(decoder.unconsumed_tail)
    return not decoder.needs_input


def check_json(folder: Path, names: tuple[str, ...]) -> None:
    """Raise where one of these files in `folder` is no JSON: Zarr would not say which.

    Raises
    ------
    MedRefineError
        A reason, not a sentence.
    """
    for name in names:
        try:
            json.loads(read_file(folder / name))
        except FileNotFoundError:
            continue
        except (ValueError, RecursionError) as error:
            raise MedRefineError(f"its {name} is damaged, not JSON") from error


def check_chunk_sizes(folder: Path) -> None:
    """Raise where the array in `folder` is stored in chunks of no size.

    Zarr 3.4 takes such an array for an empty one (with a warning), and a damaged picture would open
    as a black one; Zarr before it divides by the size.

    Raises
    ------
    MedRefineError
        A reason, not a sentence.
    """
    for name, keys in _SIZES.items():
        sizes = _stored_sizes(folder / name, keys)
        if any(isinstance(size, int) and size < 1 for size in sizes):
            raise MedRefineError(
                f"it is damaged: the chunks of its level '{folder.name}' are {sizes}"
            )


def _stored_sizes(path: Path, keys: tuple[str, ...]) -> list[Any]:
    """Return what stands in a file of metadata; nothing where Zarr will say what is wrong there."""
    missing = FileNotFoundError, NotADirectoryError
    with suppress(*missing, ValueError, RecursionError, KeyError, TypeError):
        stored = json.loads(read_file(path))
        for key in keys:
            stored = stored[key]
        return list(stored)
    return []
