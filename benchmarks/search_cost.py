"""What a pyramid saves over walking the whole spiral, as the image grows: measured and plotted.

usage: python benchmarks/search_cost.py [FIGURE.png]

Both find the very same position (see `tests/registration/test_pruning.py`). Counted are numbers
compared (pixels, or blocks of them); the study's own reckoning stands beside: O(D^2) positions for
the spiral, O((D / 2^L)^2) + 4 L for a pyramid of L levels. That reckoning takes the best position
of the coarsest level for the right one, which on real photos it often is not.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from skimage.data import immunohistochemistry
from skimage.transform import resize

from napari_medrefine.progress import finish
from napari_medrefine.registration.pruning import Best, exhaustive_steps, pruned_steps
from napari_medrefine.registration.pyramid import brightness, optical_density

SIDES = (48, 72, 108, 162, 243, 364)
SHARE = 6  # the image is so many times larger than the template


def measured(side: int) -> dict[str, float]:
    """Return numbers compared and seconds of both ways on an image of `side` pixels."""
    tissue = immunohistochemistry()
    image = resize(optical_density(brightness(tissue)), (side, side), anti_aliasing=True)
    size = max(8, side // SHARE)
    first = side * 3 // 5
    template = image[first : first + size, first // 2 : first // 2 + size]
    template = template + np.random.default_rng(0).normal(0, 0.05, template.shape)
    row: dict[str, float] = {"side": side, "template": size}
    for name, way in (("spiral", exhaustive_steps), ("pruned", pruned_steps)):
        start = time.perf_counter()
        found = finish(way(image, template, "correlation"))
        row[f"{name} s"] = time.perf_counter() - start
        row[name] = compared(found, size)
    levels = np.log2(size) - 1
    row["study"] = ((side - size) / 2**levels) ** 2 + 4 * levels
    row["study, spiral"] = (side - size) ** 2
    return row


def compared(found: Best, size: int) -> float:
    """Return how many numbers were compared."""
    return float(sum(count * np.ceil(size / side) ** 2 for side, count in found.compared))


def plot(rows: list[dict[str, float]], path: str) -> None:
    """Write the figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sides = [row["side"] for row in rows]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    lines = {
        "spiral": "walking the whole spiral",
        "pruned": "pyramid that prunes (the same position)",
    }
    for name, label in lines.items():
        axes[0].loglog(sides, [row[name] for row in rows], "o-", label=label)
        axes[1].loglog(sides, [row[f"{name} s"] for row in rows], "o-", label=label)
    for name, label in (
        ("study, spiral", "study: O(D²) positions"),
        ("study", "study: O((D/2ᴸ)²) + 4L positions"),
    ):
        axes[0].loglog(sides, [row[name] for row in rows], ":", label=label)
    axes[0].set(xlabel="image side D, pixels", ylabel="numbers compared")
    axes[1].set(xlabel="image side D, pixels", ylabel="seconds (this machine)")
    for axis in axes:
        axis.set_xticks(sides, [f"{side:.0f}" for side in sides])
        axis.minorticks_off()
    axes[0].set_ylim(top=3e11)
    axes[0].legend(fontsize=8, loc="upper left")
    figure.savefig(path, dpi=80)


def main() -> None:
    rows = [measured(side) for side in SIDES]
    print("| D | template | spiral | pruned | saved | time saved |\n|---|---|---|---|---|---|")
    for row in rows:
        saved, faster = row["spiral"] / row["pruned"], row["spiral s"] / row["pruned s"]
        print(
            f"| {row['side']:.0f} | {row['template']:.0f} | {row['spiral']:.2e} | "
            f"{row['pruned']:.2e} | {saved:.0f}x | {faster:.0f}x |"
        )
    if len(sys.argv) > 1:
        plot(rows, sys.argv[1])


if __name__ == "__main__":
    main()
