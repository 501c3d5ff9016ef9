"""Pairs whose overview is a blurred target: something a network can learn in a few batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage as ndi

from napari_medrefine.dataset.pair_files import (
    PairEntry,
    PairManifest,
    Source,
    StoredPair,
    Tone,
    sums,
    write_manifest,
    write_pair,
)

SIDE, MARGIN, ZOOM = 28, 24, 4
TONE = Tone(gamma=1.0, gain=1.0, offset=0.0, shading=(0.0, 0.0, 0.0, 0.0, 0.0))


def stored(seed: int, blur: float) -> StoredPair:
    """Return a texture, and what an objective that blurs by `blur` target pixels makes of it."""
    rng = np.random.default_rng(seed)
    side = SIDE + 2 * MARGIN
    noise = rng.standard_normal((side * ZOOM, side * ZOOM, 3))
    sharp = ndi.gaussian_filter(noise, (3, 3, 0))
    sharp = np.clip(0.6 + 0.15 * sharp / sharp.std(), 0, 1)
    seen = ndi.gaussian_filter(sharp, (blur, blur, 0)) if blur else sharp
    small = seen.reshape(side, ZOOM, side, ZOOM, 3).mean((1, 3))
    edge = MARGIN * ZOOM
    given, target = (np.rint(255 * x).astype(np.uint8) for x in (small, sharp))
    return StoredPair(given, target[edge:-edge, edge:-edge], np.ones((SIDE, SIDE), bool))


def softer(seed: int) -> StoredPair:
    """Return a pair whose truth is softer than what the overview shows."""
    pair = stored(seed, 0.0)
    blurred = ndi.gaussian_filter(pair.target.astype(float), (6, 6, 0))
    return StoredPair(pair.given, np.rint(blurred).astype(np.uint8), pair.mask)


def write(folder: Path, pairs: list[StoredPair], lefts: Sequence[int] | None = None) -> Path:
    """Write pairs, as `learning.write_pairs` would, into ``folder/pairs``; return `folder`.

    They begin at the columns `lefts` of the overview; by default no two show the same.
    """
    lefts = [number * SIDE for number in range(len(pairs))] if lefts is None else lefts
    where = folder / "pairs"
    where.mkdir(parents=True)
    entries = []
    for number, pair in enumerate(pairs):
        own = where / f"pair-{number}"
        own.mkdir()
        write_pair(own, pair)
        entries.append(_entry(number, pair, lefts[number]))
    overview = Source(name="made overview", sha256="0" * 64)
    manifest = PairManifest(
        software="tests", overview=overview, zoom=ZOOM, pixel_um=1.25, pairs=tuple(entries)
    )
    write_manifest(where, manifest)
    return folder


def _entry(number: int, pair: StoredPair, left: int) -> PairEntry:
    given, target, mask = sums(pair)
    return PairEntry(
        field=Source(name=f"field {number}", sha256=f"{number}" * 64),
        folder=f"pair-{number}",
        first=(100, left),
        shape=(SIDE, SIDE),
        margin=(MARGIN, MARGIN),
        tone=(TONE,) * 3,
        shift=0.0,
        sharpness=3.0,
        usable=1.0,
        left_out={},
        input_sha256=given,
        target_sha256=target,
        mask_sha256=mask,
    )
