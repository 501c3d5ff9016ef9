"""The table of an atlas: sortable, a row for every photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from napari_medrefine.atlas import COLUMNS

SHOWN = {
    "photo": "photo", "role": "what", "overview": "on", "objective": "objective", "ratio": "ratio",
    "angle": "angle°", "score": "score", "standard_error": "± px", "on_overview": "share on it",
}  # fmt: skip
NOWHERE = "none"
HEIGHT, ROW = 200, 24  # pixels


class AtlasTable(Container):
    """Rows of `napari_medrefine.atlas.rows_of`, sorted by a click on a column's heading.

    Parameters
    ----------
    on_row : callable
        Gets the file of the photo whose row was clicked or reached with the keys.
    """

    def __init__(self, on_row: Callable[[str], object]) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self._on_row = on_row
        self.table = QTableWidget(0, len(SHOWN))
        self.table.setToolTip("Click a photo to see it; click a heading to sort")
        self.table.setHorizontalHeaderLabels(list(SHOWN.values()))
        for column, name in enumerate(SHOWN):
            self.table.horizontalHeaderItem(column).setToolTip(COLUMNS[name])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setMinimumHeight(HEIGHT)
        self.table.currentItemChanged.connect(self._moved)
        self.native.layout().addWidget(self.table)

    def show_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show `rows` in place of what was shown."""
        self.table.blockSignals(True)
        self.table.setSortingEnabled(False)  # or rows would move while they are filled
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, name in enumerate(SHOWN):
                self.table.setItem(number, column, _item(row, name))
        self.table.setSortingEnabled(True)
        self.table.resizeColumnsToContents()
        self.table.blockSignals(False)

    def photos(self) -> list[str]:
        """Return the photos' files in the order shown."""
        return [self._photo(number) for number in range(self.table.rowCount())]

    def _photo(self, number: int) -> str:
        return str(self.table.item(number, 0).data(Qt.ItemDataRole.UserRole))

    def _moved(self, item: QTableWidgetItem | None, _: object) -> None:
        if item is not None:
            self._on_row(self._photo(item.row()))


def _item(row: dict[str, Any], name: str) -> QTableWidgetItem:
    item = QTableWidgetItem()
    # A refused photo lies nowhere; what is noted is the best guess.
    shown = NOWHERE if name == "overview" and row["role"] == "refused" else row[name]
    if shown is not None:
        # As it is, not as text: numbers are sorted as numbers.
        item.setData(Qt.ItemDataRole.DisplayRole, shown)
    item.setData(Qt.ItemDataRole.UserRole, row["photo"])
    item.setToolTip(row["reason"] or str(row["photo"]))
    return item
