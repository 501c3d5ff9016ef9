"""A line chart drawn with Qt alone: napari brings no plotting library, and this needs none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_medrefine.widgets._train_history import Curve

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 24, 20  # margins in pixels
HEIGHT = 150


class Chart(QWidget):
    """Curves over epochs, with a title, a legend that tells their last values, and ticks.

    Parameters
    ----------
    title : str
        Above the chart.
    digits : int
        Behind the decimal point, of the last values.
    mark : str
        What begins at the dotted line.
    tooltip : str
        What the curves mean.
    """

    def __init__(self, title: str, digits: int, mark: str, tooltip: str) -> None:
        super().__init__()
        self.title, self.digits, self.begins = title, digits, mark
        self.curves: Sequence[Curve] = ()
        self.epochs = 1
        self.mark: float | None = None
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(tooltip)

    def show_curves(self, curves: Sequence[Curve], epochs: int, mark: float | None) -> None:
        """Draw `curves` over `epochs`; at `mark` the adversarial stage began."""
        self.curves, self.epochs, self.mark = curves, max(1, epochs), mark
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw everything."""
        theme = get_theme(get_settings().appearance.theme)
        text, faint = QColor(theme.text.as_hex()), QColor(theme.icon.as_hex())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
        painter.setFont(font)
        area = QRectF(LEFT, TOP, self.width() - LEFT - RIGHT, self.height() - TOP - BOTTOM)
        painter.fillRect(area, QColor(theme.foreground.as_hex()))
        self._draw_legend(painter, text)
        values = [y for curve in self.curves for y in _shown(curve)]
        low, high, step = _range(values)
        to = _Scale(area, self.epochs, low, high)
        self._draw_epochs(painter, to, faint)
        if values:
            _draw_values(painter, to, step, faint)
        if self.mark is not None:
            _draw_mark(painter, to, self.mark, faint)
        painter.setClipRect(area.adjusted(-4, -4, 4, 4))
        for curve in self.curves:
            _draw_curve(painter, to, curve)
        if self.mark is not None:
            _draw_label(painter, to, self.mark, self.begins, faint, theme.foreground.as_hex())
        painter.end()

    def _draw_legend(self, painter: QPainter, text: QColor) -> None:
        painter.setPen(text)
        line = QRectF(2, 2, self.width() - 2 - RIGHT, TOP - 6)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, self.title)
        metrics, right = painter.fontMetrics(), float(self.width() - RIGHT)
        for curve in reversed([curve for curve in self.curves if curve.name]):
            label = curve.name + (f" {curve.y[-1]:.{self.digits}f}" if len(curve.y) else "")
            painter.setPen(QColor(curve.color))
            width = metrics.horizontalAdvance(label)
            painter.drawText(
                QRectF(right - width, 2, width, TOP - 6), Qt.AlignmentFlag.AlignVCenter, label
            )
            right -= width + 12

    def _draw_epochs(self, painter: QPainter, to: _Scale, faint: QColor) -> None:
        painter.setPen(faint)
        for epoch in _epoch_ticks(self.epochs):
            width = painter.fontMetrics().horizontalAdvance(f"{epoch}")
            left = min(to.x(epoch) - width / 2, self.width() - width)  # the last one: not cut off
            painter.drawText(QPointF(left, to.area.bottom() + 14), f"{epoch}")


class _Scale:
    """From epochs and values to pixels."""

    def __init__(self, area: QRectF, epochs: int, low: float, high: float) -> None:
        self.area, self.epochs, self.low, self.high = area, epochs, low, high

    def x(self, epoch: float) -> float:
        return float(self.area.left() + self.area.width() * epoch / self.epochs)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return float(self.area.bottom() - self.area.height() * share)


def _draw_values(painter: QPainter, to: _Scale, step: float, faint: QColor) -> None:
    line = QColor(faint)
    line.setAlpha(60)
    digits = max(0, -math.floor(math.log10(step)))
    for k in range(math.ceil(to.low / step - 1e-9), math.floor(to.high / step + 1e-9) + 1):
        y = to.y(k * step)
        painter.setPen(line)
        painter.drawLine(QPointF(to.area.left(), y), QPointF(to.area.right(), y))
        painter.setPen(faint)
        box = QRectF(0, y - 8, LEFT - 5, 16)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(box, flags, f"{k * step:.{digits}f}")


def _draw_mark(painter: QPainter, to: _Scale, mark: float, faint: QColor) -> None:
    painter.setPen(QPen(faint, 1, Qt.PenStyle.DotLine))
    x = to.x(mark)
    painter.drawLine(QPointF(x, to.area.top()), QPointF(x, to.area.bottom()))


def _draw_label(
    painter: QPainter, to: _Scale, mark: float, text: str, faint: QColor, ground: str
) -> None:
    """Say what begins at the mark, on a ground of its own: curves may pass there."""
    metrics = painter.fontMetrics()
    width, height = metrics.horizontalAdvance(text), metrics.height()
    place = QRectF(to.x(mark) + 3, to.area.top() + 1, width + 2, height)
    painter.fillRect(place, QColor(ground))
    painter.setPen(faint)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


def _draw_curve(painter: QPainter, to: _Scale, curve: Curve) -> None:
    points = [QPointF(to.x(x), to.y(y)) for x, y in zip(curve.x, curve.y, strict=True)]
    if not points:
        return
    color = QColor(curve.color)
    if curve.style == "faint":
        color.setAlpha(110)
    dashed = curve.style == "dashed"
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    painter.setPen(QPen(color, 1.0 if curve.style == "faint" else 1.8, style))
    path = QPainterPath(points[0])
    for point in points[1:]:
        path.lineTo(point)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    if curve.style != "faint":
        painter.setBrush(color)
        for point in points:
            painter.drawEllipse(point, 2.2, 2.2)


def _shown(curve: Curve) -> list[float]:
    """Return the values that must be in sight: of a faint line not the few that stick out."""
    if curve.style != "faint":
        return list(curve.y)
    ordered = sorted(curve.y)
    return ordered[: math.ceil(0.95 * len(ordered))]


def _range(values: list[float]) -> tuple[float, float, float]:
    """Return the ends of the axis, a little beyond all values, and the step between ticks."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - room, high + room
    rough = (high - low) / 3.5
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((k * power for k in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    return low, high, step


def _epoch_ticks(epochs: int) -> list[int]:
    step = next(k * 10**p for p in range(9) for k in (1, 2, 5) if epochs / (k * 10**p) <= 6)
    ticks = list(range(0, epochs + 1, step))
    if epochs - ticks[-1] < step / 2:
        ticks.pop()
    return [*ticks, epochs]
