"""Crops at full size beside the truth, for looking at; never committed: the photos are not ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_medrefine.compare.evaluate import Sample, prepared
from napari_medrefine.compare.filters import nearest
from napari_medrefine.compare.protocols import PROTOCOLS
from napari_medrefine.compare.visuals import Picture, as_picture, side_by_side
from napari_medrefine.images import Image
from napari_medrefine.photos import write_image
from superres_results import Results
from superres_tracks import BACK, BICUBIC, FAITHFUL, GAN, PHOTO, Source, methods

TRACKS = ("x4", "x4-bicubic", "x4-optical", "x4-camera", "study-tiles")
SIDE = 256
_STEP = 32


def save_pictures(images: Sequence[Source], results: Results, folder: Path) -> None:
    """Write one PNG for the first image of each slide and track.

    Three crops each, one pixel for one: the middle; the brightest (nothing may be invented on the
    background, and nothing may ring at it); and the corner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = {source.slide: source for source in reversed(images)}
    for track in TRACKS:
        for slide, source in first.items():
            best = results.tracks[track].best_filter(slide).method
            slug = re.sub(r"[^0-9a-z]+", "-", slide.lower()).strip("-")
            write_image(folder / f"{track}-{slug}.png", _panel(track, source, results, best))


def _panel(track: str, source: Source, results: Results, best: str) -> Picture:
    protocol = PROTOCOLS[track]
    given, sharp = prepared(Sample(source.name, source.slide, source.read()), protocol)
    known = methods(track, results.tuned[track])
    shown = {"input": nearest(given, protocol.scale)}
    for name in (BICUBIC, BACK, best, FAITHFUL, GAN, PHOTO):
        if name in known:
            shown[name] = known[name](given, protocol.scale)
    shown["sharp"] = sharp
    rows = [_row(shown, corner) for corner in _corners(sharp)]
    return np.concatenate(rows)


def _row(shown: dict[str, Image], corner: tuple[int, int]) -> Picture:
    where = tuple(slice(start, start + SIDE) for start in corner)
    crops = [(name, as_picture(image)[where]) for name, image in shown.items()]
    return side_by_side(crops, width=SIDE)


def _corners(sharp: Image) -> list[tuple[int, int]]:
    grey = as_picture(sharp).mean(-1)
    tops, lefts = (range(0, max(1, n - SIDE + 1), _STEP) for n in grey.shape)
    light = {(t, c): grey[t : t + SIDE, c : c + SIDE].mean() for t in tops for c in lefts}
    middle = tuple(max(0, (n - SIDE) // 2) for n in grey.shape)
    return [(middle[0], middle[1]), max(light, key=lambda corner: light[corner]), (0, 0)]
