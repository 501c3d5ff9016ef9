"""The chart of `superres.py`: what each method gains, by track and slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_medrefine.compare.protocols import PROTOCOLS, STUDY_MSE
from superres_results import Results, Track
from superres_tables import TITLES, means_over
from superres_tracks import BACK, BICUBIC, FAITHFUL, GAN, PHOTO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST = "best tuned filter"
# Okabe & Ito's colours, told apart with every common colour blindness; shapes differ as well.
STYLES = {
    "do nothing": ("s", "#999999"),
    "Lanczos": ("|", "#666666"),
    BACK: ("D", "#0072B2"),
    BEST: ("^", "#009E73"),
    GAN: ("o", "#E69F00"),
    FAITHFUL: ("o", "#D55E00"),
    PHOTO: ("P", "#CC79A7"),
}


def draw(results: Results, path: Path) -> None:
    """Write the chart as a PNG.

    Magnifying: PSNR above bicubic, whose own value stands beside the slide. Sharpening: the mean
    squared error from 0, the study's beside it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = len(results.domains)
    lines = -(-len(results.tracks) // 2)
    figure, axes = plt.subplots(
        lines, 2, figsize=(13, 3.2 + 0.5 * lines * rows), layout="constrained", sharey=False
    )
    for axis in axes.flat[len(results.tracks) :]:
        axis.axis("off")
    for axis, (name, track) in zip(axes.flat, results.tracks.items(), strict=False):
        panel = _errors if PROTOCOLS[name].same_size else _gains
        panel(axis, track)
        axis.set_title(TITLES[name], fontsize=9, loc="left")
        axis.grid(axis="x", color="#dddddd")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(len(track.slides) - 0.5, -0.5)
    handles = {}
    for axis in axes.flat:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    figure.suptitle(means_over(results), fontsize=11, x=0.01, ha="left")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _gains(axis: Axes, track: Track) -> None:
    base = [track.of(slide, BICUBIC).psnr for slide in track.slides]
    ours = (GAN, FAITHFUL, PHOTO) if PHOTO in track.methods else (GAN, FAITHFUL)
    for method in ("Lanczos", BACK, BEST, *ours):
        gains = [
            _value(track, s, method, "psnr") - b for s, b in zip(track.slides, base, strict=True)
        ]
        _points(axis, method, gains)
    axis.axvline(0, color="#444444", linewidth=1)
    axis.set_xlabel("PSNR above bicubic, dB (better to the right)")
    labels = [f"{_short(s)}\nbicubic {b:.2f} dB" for s, b in zip(track.slides, base, strict=True)]
    axis.set_yticks(range(len(labels)), labels, fontsize=8)


def _errors(axis: Axes, track: Track) -> None:
    for method in ("do nothing", BEST, GAN, FAITHFUL):
        _points(axis, method, [_value(track, slide, method, "mse") for slide in track.slides])
    axis.axvline(STUDY_MSE, color="#444444", linestyle="--", linewidth=1)
    axis.set_xlim(left=0)
    left = axis.get_xlim()[1] > 2 * STUDY_MSE  # which side of the line has room for the words
    words = axis.annotate(
        f"the study's {STUDY_MSE}, on its training photos",
        (STUDY_MSE, 1),
        (3 if left else -3, -9),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if left else "right",
        fontsize=7,
    )
    words.set_in_layout(False)
    axis.set_xlabel("mean squared error per pixel, 0-255 (better to the left)")
    axis.set_yticks(range(len(track.slides)), [_short(s) for s in track.slides], fontsize=8)


def _points(axis: Axes, method: str, values: list[float]) -> None:
    marker, colour = STYLES[method]
    size = 70 if marker == "|" else 42
    axis.scatter(values, range(len(values)), size, colour, marker, label=method, zorder=3)


def _value(track: Track, slide: str, method: str, measure: str) -> float:
    found = track.best_filter(slide) if method == BEST else track.of(slide, method)
    return float(getattr(found, measure))


def _short(slide: str) -> str:
    return slide.replace(" (", "\n(")
