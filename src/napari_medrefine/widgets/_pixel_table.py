"""A small table of pixel values: a row for each layer."""

from __future__ import annotations

from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_medrefine.compare.neighbourhood import Place, Reading

HEADINGS = {
    "Layer": "The two chosen layers, then the other visible or selected ones",
    "R": "The pixel's own red value; grey layers have one value for all three",
    "G": "The pixel's own green value",
    "B": "The pixel's own blue value",
    "|Δ|": "Mean absolute difference to the layer under 'Compared with' over the neighbourhood, in "
    "grey levels of 255; 0 is identical, lower is nearer. Hold the mouse on it for each colour",
}
HEIGHT, ROW, NUMBER = 132, 22, 34  # pixels


class PixelTable(Container):
    """Shows a `Place`."""

    def __init__(self) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self.table = QTableWidget(0, len(HEADINGS))
        self.table.setToolTip("Values of the layers at one place")
        self.table.setHorizontalHeaderLabels(list(HEADINGS))
        for column, tooltip in enumerate(HEADINGS.values()):
            self.table.horizontalHeaderItem(column).setToolTip(tooltip)
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(NUMBER - 8)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(HEADINGS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.table.setColumnWidth(column, NUMBER)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setTextElideMode(Qt.TextElideMode.ElideLeft)  # names differ at their ends
        self.table.setMinimumWidth(100)
        self.table.setFixedHeight(HEIGHT)
        self.native.layout().addWidget(self.table)

    def show_place(self, place: Place | None) -> None:
        """Show what was read at a place; nothing for None."""
        readings = [] if place is None else place.readings
        self.table.setRowCount(len(readings))
        for row, each in enumerate(readings):
            for column, (text, tooltip) in enumerate(_cells(each)):
                item = QTableWidgetItem(text)
                item.setToolTip(tooltip)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(row, column, item)


def _cells(each: Reading) -> list[tuple[str, str]]:
    """Return text and tooltip of each cell of a row."""
    if each.value is None:
        values = [("–", f"'{each.name}' is not there")] * 3
    else:
        values = [(f"{x:.4g}", f"{x:.9g}") for x in each.value]
    if each.apart is None or each.difference is None:
        return [(each.name, each.name), *values, ("–", "Not all of it is in the neighbourhood")]
    red, green, blue = each.difference
    signed = f"{red:+.2f} red, {green:+.2f} green, {blue:+.2f} blue"
    apart = f"{each.apart:.1f}", f"On average {signed}; {each.apart:.2f} without the sign"
    return [(each.name, each.name), *values, apart]
