"""A bar chart of one measure, on any matplotlib figure: for napari, a file, a page."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medrefine.compare.columns import BY_KEY, Column
from napari_medrefine.compare.evaluate import NOTHING, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colours, told apart with every common colour blindness.
PLAIN, FILTER, OURS, LAYER = "#999999", "#56B4E9", "#E69F00", "#009E73"
_LOG_FROM = 30.0  # times the smallest value from which bars are drawn on a log scale
_DECIBELS = ("psnr", "worst_psnr")
_LONGEST, _SHORTER = 34, 24  # letters of a method's name; in a narrow figure
_NARROW = 4.0  # inches


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a chart around its bars."""

    background: str = "#ffffff"
    text: str = "#1d1d22"
    faint: str = "#d5d5de"


def draw_bars(
    figure: Figure,
    summaries: Sequence[Summary],
    key: str,
    *,
    ours: Collection[str] = (),
    layers: Collection[str] = (),
    palette: Palette | None = None,
) -> None:
    """Draw one bar for each summary, its value beside it; clears the figure first.

    The scale is logarithmic where the largest value is 30 times the smallest or more; bars in
    decibels, which are logarithms already, begin below the smallest. What is infinite (the PSNR of
    the truth itself) is left out.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    summaries : sequence of Summary
        Of one slide.
    key : str
        Which measure, one of `columns.BY_KEY`.
    ours, layers : collection of str
        Methods that are networks, and layers: they have colours of their own.
    palette : Palette, optional
        Default: dark on white.
    """
    palette = palette or Palette()
    column = BY_KEY[key]
    shown = [s for s in summaries if math.isfinite(getattr(s, key))]
    figure.clear()
    figure.set_facecolor(palette.background)
    axes = figure.add_subplot()
    _style(axes, palette)
    if not shown:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing to draw", color=palette.text, ha="center")
        return
    values = np.array([getattr(s, key) for s in shown], float)
    colours = [_colour(s.method, ours, layers) for s in shown]
    bars = axes.barh(range(len(shown)), values, color=colours, height=0.72)
    axes.bar_label(
        bars, [column.cell(s) for s in shown], padding=3, color=palette.text, fontsize=7.5
    )
    most = _LONGEST if figure.get_figwidth() > _NARROW else _SHORTER
    axes.set_yticks(range(len(shown)), [_short(s.method, most) for s in shown], fontsize=7.5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    _scale(axes, values, column, palette)


def chart_png(summaries: Sequence[Summary], key: str, *, ours: Collection[str] = ()) -> bytes:
    """Return the chart as a PNG file's bytes, dark on white."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 1.2 + 0.24 * len(summaries)), dpi=130, layout="constrained")
    draw_bars(figure, summaries, key, ours=ours)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _scale(axes: Axes, values: np.ndarray, column: Column, palette: Palette) -> None:
    """Set the range and say which way is better; a line at 1 where that is best."""
    positive = values[values > 0]
    log = len(positive) > 1 and positive.max() / positive.min() >= _LOG_FROM
    better = {"lower": "lower is better", "higher": "higher is better", "one": "1 is best"}
    label = f"{column.head}{' (log scale)' if log else ''}: {better.get(column.better, '')}"
    # Below the figure, not the axes: these are narrow where the methods' names are long.
    axes.figure.supxlabel(label.rstrip(": "), color=palette.text, fontsize=8)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(positive.min() / 2, positive.max() * 3)
    elif column.key in _DECIBELS:
        # Decibels are logarithms: they have no zero to begin at, and differences are what counts.
        span = max(float(np.ptp(values)), 0.5)
        axes.set_xlim(values.min() - span / 3, values.max() + span / 3)
    else:
        axes.set_xlim(min(0, values.min()), max(values.max(), 1e-12) * 1.25)
    if column.better == "one":
        axes.axvline(1, color=palette.text, linewidth=0.8, linestyle="--")


def _style(axes: Axes, palette: Palette) -> None:
    axes.set_facecolor(palette.background)
    axes.tick_params(colors=palette.text, labelsize=7.5, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(palette.faint)
    axes.grid(axis="x", color=palette.faint, linewidth=0.6)
    axes.set_axisbelow(True)


def _colour(method: str, ours: Collection[str], layers: Collection[str]) -> str:
    if method in layers:
        return LAYER
    if method in ours:
        return OURS
    return PLAIN if method in (NOTHING, "untouched") else FILTER


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
