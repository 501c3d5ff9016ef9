"""What blocks say of wrong placements: the law that the verdict's false alarms are counted by.

usage: python benchmarks/null_distribution.py ../shared/data/photos44

Decoys are the best, finally refined candidates of every field on the overviews of other slides, and
mirrored on its own. The verdict takes the number of blocks that agree with a placement by chance
for binomial with rate 9/169. That is safe if decoys agree no oftener, and no more unevenly: printed
are their rate, the variance as a multiple of the binomial one, and the least p-value of all decoys
beside what as many draws from the law would give.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import stats

from hard_set import NOMINAL
from napari_medrefine import Overview
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.pyramid import between
from napari_medrefine.registration.verdict import FEWEST, Evidence, block_level, gather
from napari_medrefine.registration.window import scale_of

RATE = 9 / 169


def ask(overview: Overview, image: np.ndarray, matrix: np.ndarray) -> Evidence:
    """Return what the blocks of a field say of a placement."""
    field = Field(image)
    side = min(field.shape) * scale_of(matrix)
    level = overview.levels[block_level(overview.levels, side)]
    factor = field.factor(level.factor, matrix)
    return gather(level, field.features(factor), between(matrix, level.factor, factor), 1)


def main() -> None:
    folder = Path(sys.argv[1])
    rows = json.loads((folder / "truth.json").read_text())["photos"]
    images = {name: np.asarray(Image.open(folder / name)) for name in {r["overview"] for r in rows}}
    overviews = {name: Overview(image) for name, image in images.items()}
    agreeing, usable, scores, accepted = [], [], [], 0
    for row in rows:
        field = np.asarray(Image.open(folder / row["field"]))
        for name, overview in overviews.items():
            own = name == row["overview"]
            image = np.ascontiguousarray(field[:, ::-1]) if own else field
            place = overview.register(image, ratio=NOMINAL[row["objective"]])
            accepted += place.accepted
            evidence = ask(overview, image, place.matrix)
            if evidence.usable >= FEWEST:
                agreeing.append(evidence.agreeing)
                usable.append(evidence.usable)
                scores.append(place.score)
    k, n = np.array(agreeing), np.array(usable)
    rate = k.sum() / n.sum()
    spread = np.mean((k - n * rate) ** 2 / (n * rate * (1 - rate)))
    least = stats.binom.sf(k - 1, n, RATE).min()
    drawn = np.random.default_rng(0).binomial(n, RATE, (2000, len(n)))
    usual = np.median(stats.binom.sf(drawn - 1, n, RATE).min(axis=1))
    print(f"{len(k)} decoys, {accepted} accepted; highest score {max(scores):.2f}")
    print(
        f"blocks that agree: {rate:.4f} (the law: {RATE:.4f}), variance {spread:.2f} times its own"
    )
    print(f"least p-value {least:.1e}; of as many draws from the law {usual:.1e}")


if __name__ == "__main__":
    main()
