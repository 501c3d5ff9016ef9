"""The bar chart of what was measured, in napari's colours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from magicgui.widgets import ComboBox, Container
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent

from napari_medrefine.compare.chart import Palette, draw_bars
from napari_medrefine.compare.columns import COLUMNS
from napari_medrefine.compare.evaluate import Summary
from napari_medrefine.widgets._layers import Viewer
from napari_medrefine.widgets._measure_table import shown_name

CHARTED = tuple(c for c in COLUMNS if c.better and c.key != "shift")
BAR, AROUND = 17, 64  # pixels for a bar, and for what is around all of them


class _Canvas(FigureCanvasQTAgg):
    """Draws anew when napari's theme changes."""

    def __init__(self, figure: Figure, draw: Callable[[], None]) -> None:
        self._again = draw
        super().__init__(figure)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the window's style."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._again()


class MeasureChart(Container):
    """A measure to choose, and its bars.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
        Whose theme it follows.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.measure = ComboBox(
            label="Chart",
            choices=[(c.head, c.key) for c in CHARTED],
            value="psnr",
            tooltip="Which measure the chart shows: " + "; ".join(
                f"{c.head}: {c.meaning}" for c in CHARTED
            ),
        )  # fmt: skip
        super().__init__(widgets=[self.measure])
        self.margins = (0, 0, 0, 0)
        self._summaries: Sequence[Summary] = ()
        self._ours: Collection[str] = ()
        self._layers: Collection[str] = ()
        self.figure = Figure(layout="constrained")
        self.canvas = _Canvas(self.figure, self.draw)
        self.canvas.setMinimumWidth(120)
        self.canvas.setToolTip(
            "Grey: untouched; blue: plain filters; orange: networks; green: the chosen layer"
        )
        self.native.layout().addWidget(self.canvas)
        self.measure.changed.connect(self.draw)

    def show_scores(
        self, summaries: Sequence[Summary], ours: Collection[str], layers: Collection[str]
    ) -> None:
        """Draw these, in the order given."""
        self._summaries = [replace(s, method=shown_name(s.method)) for s in summaries]
        self._ours, self._layers = ours, layers
        self.draw()

    def draw(self) -> None:
        """Draw again, as after a change of the measure or the theme."""
        if not self._summaries:
            return
        theme = get_theme(self._viewer.theme)
        palette = Palette(theme.background.as_hex(), theme.text.as_hex(), theme.highlight.as_hex())
        self.canvas.setFixedHeight(AROUND + BAR * max(1, len(self._summaries)))
        draw_bars(
            self.figure,
            self._summaries,
            self.measure.value,
            ours=self._ours,
            layers=self._layers,
            palette=palette,
        )
        self.canvas.draw_idle()
