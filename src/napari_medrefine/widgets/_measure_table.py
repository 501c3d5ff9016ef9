"""The table of what was measured: sortable, with what each number means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from napari_medrefine.compare.columns import COLUMNS, Column
from napari_medrefine.compare.evaluate import NOTHING, Summary
from napari_medrefine.compare.pairs import Measured

SHOWN = tuple(c for c in COLUMNS if c.key not in ("images", "shift"))
UNTOUCHED = "untouched"
SIDES = ("input", "measured against")  # columns of a copy, which has to speak for itself
ROW, MOST = 20, 20  # pixels of a row; rows that are seen without scrolling


class MeasureTable(Container):
    """Methods down, measures across; a refused method keeps its row, without numbers."""

    def __init__(self) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self.summaries: Sequence[Summary] = ()
        self.refused: Mapping[str, str] = {}
        self._sides: tuple[str, ...] = ("",) * len(SIDES)
        self.table = QTableWidget(0, len(SHOWN))
        self.table.setToolTip("What each number means is in the tooltip of its heading")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setMinimumWidth(120)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        for k, column in enumerate(SHOWN):
            head = QTableWidgetItem(column.head)
            head.setToolTip(f"{column.head}: {column.meaning}")
            self.table.setHorizontalHeaderItem(k, head)
        self.native.layout().addWidget(self.table)

    def show_scores(self, measured: Measured) -> None:
        """Show what was measured, in the order given, until a heading is clicked."""
        summaries, refused = measured.scores, measured.evaluation.refused
        self.summaries, self.refused = summaries, refused
        pair = measured.common.pair
        self._sides = (pair.name, pair.reference.name.strip("'"))
        table = self.table
        table.setSortingEnabled(False)
        table.setRowCount(len(summaries) + len(refused))
        for r, summary in enumerate(summaries):
            for k, column in enumerate(SHOWN):
                table.setItem(r, k, _cell(summary, column))
        for r, (method, why) in enumerate(refused.items(), len(summaries)):
            for k, column in enumerate(SHOWN):
                table.setItem(r, k, _refusal(method, why, first=column.key == "method"))
        table.resizeColumnsToContents()
        table.setColumnWidth(0, min(table.columnWidth(0), 160))
        table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        self._fit()

    def _fit(self) -> None:
        """Be as high as the rows need: the panel scrolls already."""
        around = self.table.horizontalHeader().sizeHint().height() + 2 * self.table.frameWidth()
        bar = self.table.horizontalScrollBar().sizeHint().height()
        self.table.setFixedHeight(around + bar + ROW * min(self.table.rowCount(), MOST))

    def as_text(self) -> str:
        """Return the table as it is sorted now, as tab-separated values with a heading."""
        lines = [(*(column.head for column in SHOWN), *SIDES)]
        for r in range(self.table.rowCount()):
            cells = (self.table.item(r, k).text() for k in range(len(SHOWN)))
            lines.append((*cells, *self._sides))
        return "\n".join("\t".join(line) for line in lines) + "\n"


class _Number(QTableWidgetItem):
    """A cell that sorts by its value, not by its text; what has none comes last."""

    def __init__(self, text: str, value: float) -> None:
        super().__init__(text)
        self.value = value
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        """Return whether this value is the smaller one."""
        theirs = other.value if isinstance(other, _Number) else math.inf
        return (math.isnan(self.value), self.value) < (math.isnan(theirs), theirs)


def shown_name(method: str) -> str:
    """Return what a method is called in tables and charts."""
    return UNTOUCHED if method == NOTHING else method


def _cell(summary: Summary, column: Column) -> QTableWidgetItem:
    if column.key == "method":
        item = QTableWidgetItem(shown_name(summary.method))
        item.setToolTip(shown_name(summary.method))
        return item
    item = _Number(column.cell(summary), float(getattr(summary, column.key)))
    item.setToolTip(column.meaning)
    return item


def _refusal(method: str, why: str, *, first: bool) -> QTableWidgetItem:
    item = QTableWidgetItem(f"{method} (refused)") if first else _Number("–", math.nan)
    item.setToolTip(f"Refused: {why}")
    return item
