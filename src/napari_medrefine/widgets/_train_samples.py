"""The sample pictures of a training: held-out crops as blurred, generated and sharp, by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_medrefine.superres.run_folder import GAP

COLUMNS = ("input", "generated", "sharp")


class Samples(QWidget):
    """Shows the newest picture, or a past epoch's for as long as one looks back."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: Sequence[Path] = ()
        self.caption = QLabel()
        self.picture = _Picture()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Look back at the pictures of past epochs; at the end: the newest")
        self.back = _arrow(Qt.ArrowType.LeftArrow, "The epoch before")
        self.on = _arrow(Qt.ArrowType.RightArrow, "The epoch after")
        self.back.clicked.connect(lambda: self.slider.setValue(self.slider.value() - 1))
        self.on.clicked.connect(lambda: self.slider.setValue(self.slider.value() + 1))
        self.slider.valueChanged.connect(self._show)
        self._lay_out()

    def _lay_out(self) -> None:
        heads, line = QHBoxLayout(), QHBoxLayout()
        for name in COLUMNS:
            head = QLabel(name)
            head.setAlignment(Qt.AlignmentFlag.AlignCenter)
            heads.addWidget(head, 1)
        for control in (self.back, self.slider, self.on):
            line.addWidget(control)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.caption)
        layout.addLayout(heads)
        layout.addWidget(self.picture)
        layout.addLayout(line)

    @property
    def shown(self) -> Path | None:
        """The picture in sight."""
        return self.paths[self.slider.value()] if self.paths else None

    def offer(self, paths: Sequence[Path]) -> None:
        """Offer the pictures `paths`, by epoch; stay at a past one that is being looked at."""
        newest = self.slider.value() >= len(self.paths) - 1
        self.paths = paths
        last = max(0, len(paths) - 1)
        self.slider.setMaximum(last)
        if newest:
            self.slider.setValue(last)
        self._show()

    def _show(self) -> None:
        at, count = self.slider.value(), len(self.paths)
        self.back.setEnabled(at > 0)
        self.on.setEnabled(at < count - 1)
        self.slider.setEnabled(count > 1)
        if self.shown is None:
            self.picture.take(QPixmap())
            return
        newest = " (newest)" if at == count - 1 else ""
        self.caption.setText(f"Held-out slides after epoch {epoch_of(self.shown)}{newest}")
        self.picture.take(QPixmap(str(self.shown)))


class _Picture(QWidget):
    """The picture's crops pixel by pixel: of larger ones than there is room for, their middle."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Crops of slides that are not trained on: what the network sees, what it makes of it, "
            "and the photo as it was; 'Open as layers' shows them whole"
        )

    def take(self, picture: QPixmap) -> None:
        """Show a picture; a null one: none."""
        self._whole = picture
        self._fit()

    def resizeEvent(self, _: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Make room for as many rows as there are."""
        self._fit()

    @property
    def _cell(self) -> int:
        """Side of a crop on the screen."""
        return max(16, int(self.width() - GAP * (len(COLUMNS) - 1)) // len(COLUMNS))

    @property
    def _side(self) -> int:
        """Side of a crop in the picture."""
        return int(self._whole.width() - GAP * (len(COLUMNS) - 1)) // len(COLUMNS)

    @property
    def _rows(self) -> int:
        return int(self._whole.height() + GAP) // (self._side + GAP) if self._side > 0 else 0

    def _fit(self) -> None:
        self.setFixedHeight(max(0, self._rows * (self._cell + GAP) - GAP))
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the crops."""
        painter, cell, side = QPainter(self), self._cell, self._side
        taken = min(cell, side)  # smaller ones are enlarged, their pixels in sight
        for row in range(self._rows):
            for column in range(len(COLUMNS)):
                corner = QPoint(column * (side + GAP), row * (side + GAP))
                middle = QPoint((side - taken) // 2, (side - taken) // 2)
                to = QRect(column * (cell + GAP), row * (cell + GAP), cell, cell)
                painter.drawPixmap(to, self._whole, QRect(corner + middle, QSize(taken, taken)))
        painter.end()


def epoch_of(path: Path) -> int:
    """Return the epoch of a sample picture."""
    return int(path.stem.rpartition("-")[2])


def _arrow(direction: Qt.ArrowType, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setArrowType(direction)
    button.setToolTip(tooltip)
    return button
