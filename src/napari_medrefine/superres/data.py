"""Training pairs: sharp tiles by slide in, batches of (input, truth) out.

Any sequence of `Tile` will do: photos in one folder per slide, in memory, or a prepared dataset,
read from the disk as far as it does not fit (see `tiles`). Batch number
``i`` is a function of the seed and ``i`` alone, so that a resumed training sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_medrefine._resample import cubic_taps
from napari_medrefine.dataset import open_dataset
from napari_medrefine.dataset.split import slide_in_folder
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import SUFFIXES, as_rgb, read_photo
from napari_medrefine.superres import optics
from napari_medrefine.superres.textures import dead_leaves
from napari_medrefine.superres.tiles import CACHE, Tile, TileDataset

__all__ = [
    "Batch",
    "MagnifyPairs",
    "SharpenPairs",
    "Sides",
    "Tile",
    "check_split",
    "load_batches",
    "random_crop",
    "read_dataset",
    "read_folder",
    "read_photos",
    "split_by_slide",
]

# Shares of the crops that are drawn, not photographed, and that get other dyes, or other shades.
SYNTHETIC, RESTAINED, JITTERED = 0.08, 0.15, 0.35
# Share of the crops out of focus, and the most of it (sigma, pixels): many a photo is soft in
# itself, and a generator that only knows crisp ones sharpens it beyond what was on the slide.
SOFT, SOFTEST = 0.3, 1.8
_ONCE = 2**26  # bytes: of the held-out tiles each crop is cut once only


class Batch(NamedTuple):
    """Float32 ``(N, 3, h, w)`` inputs and their truths, white at 1.

    `reduction` is ``(N, n, N_sharp)``, what each input's optics did to the rows (and columns) of
    its truth.
    """

    blurred: Tensor
    sharp: Tensor
    reduction: Tensor
    scale: int


def read_folder(folder: Path) -> list[Tile]:
    """Read ``folder/SLIDE/*.jpg`` (or PNG, TIFF), each once, into memory.

    ``SLIDE_10x`` and ``SLIDE_40x`` are one slide; in a folder that only says an objective, names
    tell slides.

    Raises
    ------
    MedRefineError
        If there are no photos, or one cannot be read.
    """
    paths = sorted(p for p in Path(folder).glob("*/*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise MedRefineError(f"There are no photos in the sub-folders (one per slide) of {folder}.")
    slides = [slide_in_folder(path.relative_to(folder).as_posix()) for path in paths]
    return [
        Tile(as_rgb(read_photo(path).image), slide)
        for path, slide in zip(paths, slides, strict=True)
    ]


class Sides(NamedTuple):
    """Tiles to train on, tiles held out, and what to be cautious about (or nothing)."""

    training: Sequence[Tile]
    validation: Sequence[Tile]
    caution: str = ""


def read_dataset(path: Path) -> Sides:
    """Open a prepared dataset, by its own split; its test tiles are not touched.

    Tiles to train on that all fit into the memory set aside for them (`tiles.CACHE`) are read at
    once; of more, each is read when it is needed. Where there were too few slides, `prepare` has
    split by photo: each photo then counts as a slide of its own, and `Sides.caution` says so.

    Parameters
    ----------
    path : Path
        The manifest or its folder.

    Raises
    ------
    MedRefineError
        If it cannot be read, or nothing is there to train on or to hold out.
    """
    dataset = open_dataset(path)
    training = TileDataset(dataset, "train", cache=CACHE)
    validation = TileDataset(dataset, "validation", cache=_ONCE)
    for name, part in (("training", training), ("validation", validation)):
        if not part:
            raise MedRefineError(
                f"The dataset {path} has no {name} tiles; prepare it from more photos, or with "
                "other --proportions."
            )
    if training.fits:
        training.read_all()
    caution = ""
    if dataset.manifest.split_by == "photo":
        caution = (
            "the dataset is split by photo, there were too few slides: validation says little "
            "about other slides"
        )
    return Sides(training.tiles, validation.tiles, caution)


def read_photos(folder: Path, held_out: float, seed: int) -> Sides:
    """Read ``folder/SLIDE/*`` and hold out a share of the slides, drawn at random.

    Parameters
    ----------
    folder : Path
        With one sub-folder of photos per slide.
    held_out : float
        Share of the slides, at least one.
    seed : int
        Decides which.

    Raises
    ------
    MedRefineError
        If there are fewer than two slides, or a photo cannot be read.
    """
    tiles = read_folder(folder)
    slides = sorted({tile.slide for tile in tiles})
    if len(slides) < 2:
        raise MedRefineError(
            f"{folder} has photos of one slide only; training needs two, one of them held out."
        )
    count = min(max(1, round(held_out * len(slides))), len(slides) - 1)
    chosen = np.random.default_rng(seed).permutation(len(slides))[:count]
    return Sides(*split_by_slide(tiles, [slides[i] for i in chosen]))


def split_by_slide(tiles: Sequence[Tile], held_out: Sequence[str]) -> tuple[list[Tile], list[Tile]]:
    """Return the tiles to train on, and those of the slides held out for validation."""
    unknown = set(held_out) - {tile.slide for tile in tiles}
    if unknown:
        raise MedRefineError(f"There is no slide {sorted(unknown)[0]!r} to hold out.")
    return (
        [tile for tile in tiles if tile.slide not in held_out],
        [tile for tile in tiles if tile.slide in held_out],
    )


def check_split(training: Sequence[Tile], validation: Sequence[Tile]) -> None:
    """Refuse to train where a slide is on both sides: its score would mean nothing.

    Raises
    ------
    MedRefineError
        Naming the slide; also when one side is empty.
    """
    if not training or not validation:
        raise MedRefineError("Training needs tiles of at least two slides, one of them held out.")
    shared = {tile.slide for tile in training} & {tile.slide for tile in validation}
    if shared:
        raise MedRefineError(
            f"Slide {sorted(shared)[0]!r} is on both sides of the split; keep all tiles of a "
            "slide together."
        )


class MagnifyPairs(Dataset[Batch]):
    """Batches for magnifying: small degraded crops, and what they should become.

    Parameters
    ----------
    tiles : sequence of Tile
        The sharp tiles.
    scales : tuple of int
        Enlargements, drawn once per batch, the last one most often.
    batch, crop, seed : int
        Crops per batch, side of the degraded crop in pixels, and the seed of every choice.
    steps : int
        Batches in all.
    """

    coarser = 0.3  # share of the crops that are shown at a larger pixel size than they have

    def __init__(
        self,
        tiles: Sequence[Tile],
        scales: tuple[int, ...],
        batch: int,
        crop: int,
        seed: int,
        steps: int,
    ) -> None:
        self.tiles, self.scales, self.steps = tiles, scales, steps
        self.batch, self.crop, self.seed = batch, crop, seed
        self.side = min(min(tile.shape[:2]) for tile in tiles)
        if self.side < 2 * max(scales) * 8:
            raise MedRefineError(
                f"The tiles are too small to train on ({self.side} pixels a side)."
            )

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        scale = self._scale(rng)
        side = min(self.crop, self.side // scale) // 2 * 2 * scale  # the discriminator's is even
        samples = [self._sample(rng, scale, side) for _ in range(self.batch)]
        blurred, sharp, reduction = (np.stack(part) for part in zip(*samples, strict=True))
        return Batch(_to_tensor(blurred), _to_tensor(sharp), torch.from_numpy(reduction), scale)

    def _scale(self, rng: np.random.Generator) -> int:
        chances = np.array([1.0] * (len(self.scales) - 1) + [3.0])
        return int(rng.choice(self.scales, p=chances / chances.sum()))

    def _how(self, rng: np.random.Generator, scale: int) -> optics.Degradation:
        return optics.random_reduction(rng, scale)

    def _sample(
        self, rng: np.random.Generator, scale: int, side: int
    ) -> tuple[optics.Floats, optics.Floats, optics.Floats]:
        sharp = self._sharp(rng, side)
        how = self._how(rng, scale)
        matrix = how.matrix(side)
        blurred = optics.expose(optics.project(sharp, matrix, matrix), how, rng)
        return blurred, sharp, matrix

    def _sharp(self, rng: np.random.Generator, side: int) -> optics.Floats:
        crop = self._crop(rng, side)
        if rng.random() < SOFT:
            return optics.defocus(crop, rng.uniform(0, SOFTEST))
        return crop

    def _crop(self, rng: np.random.Generator, side: int) -> optics.Floats:
        if rng.random() < SYNTHETIC:
            return dead_leaves(side, rng)
        tile = self.tiles[int(rng.integers(len(self.tiles)))].sharp
        sharp = random_crop(tile, side, rng, self.coarser)
        kind = rng.random()
        if kind < RESTAINED:
            return optics.restain(sharp, rng)
        return optics.stain_jitter(sharp, rng) if kind < RESTAINED + JITTERED else sharp


class SharpenPairs(MagnifyPairs):
    """Batches for sharpening: blurred crops of the size of their truths."""

    coarser = 0.6  # the study halved its photos before it blurred them

    def _how(self, rng: np.random.Generator, scale: int) -> optics.Degradation:  # noqa: ARG002
        return optics.random_blur(rng)


class _Told(Dataset[Batch | MedRefineError]):
    """Returns what goes wrong: raised in a worker process it would come with a traceback."""

    def __init__(self, pairs: MagnifyPairs) -> None:
        self.pairs = pairs

    def __getitem__(self, step: int) -> Batch | MedRefineError:
        try:
            return self.pairs[step]
        except MedRefineError as error:
            return error


def _leave_sigterm(_: int) -> None:
    """Leave SIGTERM, which a whole group of processes may be sent, to the one that trains."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def load_batches(pairs: MagnifyPairs, steps: range, workers: int) -> Iterator[Batch]:
    """Yield the batches of `steps`, prepared in `workers` processes; 0: in this one, in between.

    Raises
    ------
    MedRefineError
        If a tile cannot be read.
    """
    # A generator of its own: the loader would otherwise draw from the user's.
    own = torch.Generator()
    loader = DataLoader(
        _Told(pairs),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        generator=own,
        worker_init_fn=_leave_sigterm,
    )
    others = set(multiprocessing.active_children())
    batches = iter(loader)
    started = set(multiprocessing.active_children()) - others
    try:
        for batch in batches:
            if isinstance(batch, MedRefineError):
                raise batch
            yield batch
    finally:
        del batches  # asks them to end, waits for a while, and sends SIGTERM, which they leave
        for process in started:
            process.kill()
            process.join()


def random_crop(
    sharp: npt.NDArray[np.uint8], side: int, rng: np.random.Generator, coarser: float = 0.3
) -> optics.Floats:
    """Return a crop, turned and mirrored at random.

    Parameters
    ----------
    sharp : ndarray
        uint8 ``(H, W, 3)``.
    side : int
        Rows and columns of the crop.
    rng : numpy.random.Generator
        Of every choice.
    coarser : float
        Chance of a pixel size up to 2.5 times that of `sharp`, as far as it is large enough.

    Returns
    -------
    ndarray
        float32 ``(side, side, 3)``, white at 1.
    """
    zoom = rng.uniform(1, 2.5) if rng.random() < coarser else 1.0
    wide = min(round(side * zoom), *sharp.shape[:2])
    top, left = (rng.integers(n - wide + 1) for n in sharp.shape[:2])
    crop = sharp[top : top + wide, left : left + wide]
    crop = np.rot90(crop, int(rng.integers(4)))[:: rng.choice((-1, 1))]
    unit: optics.Floats = np.asarray(crop, np.float32) / np.float32(255)
    if wide == side:
        return unit
    matrix = cubic_taps(wide, side).dense().astype(np.float32)
    return np.asarray(np.clip(optics.project(unit, matrix, matrix), 0, 1), np.float32)


def _to_tensor(images: npt.NDArray[np.float32]) -> Tensor:
    # (N, H, W, 3) in memory, (N, 3, H, W) to look at: that is channels_last already.
    return torch.from_numpy(images).permute(0, 3, 1, 2)
