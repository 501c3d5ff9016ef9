"""Rows that go on below where there is no room beside: nothing in them is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakSet

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QWidget,
)

LEGIBLE = 10  # letters of a line of text that should be seen at once; a slider is as long
ELIDES = "elides"  # a property of a combo box: its choices may be of any length
ICON = 4  # pixels that Qt leaves beside an icon, and also where there is none
COMES_OR_GOES = (QEvent.Type.ShowToParent, QEvent.Type.HideToParent)  # the row, not its window


def wrap_rows(around: QWidget) -> None:
    """Let every row inside `around`, a label and its control too, take as many lines as it needs.

    A row is only made wider than `around` by a single control that has no room. Controls with a
    label begin in one column, where that leaves them room.
    """
    column = _Column()
    # The innermost first: a row has to know how wide one inside it would be.
    for row in reversed(around.findChildren(QWidget)):
        if _is_row(row):
            _hide_if_empty(_in_order(row)[0])
            inside = any(_is_row(one) for one in _between(row, around))
            _Wrapping(row, None if inside else column)


def lines_of(widths: Sequence[int], room: int, gap: int) -> list[int]:
    """Return on which line each of several things goes, in their order; 0 is no thing."""
    lines, line, used = [], 0, 0
    for width in widths:
        if width and used and used + gap + width > room:
            line, used = line + 1, 0
        if width:
            used += width + (gap if used else 0)
        lines.append(line)
    return lines


class _Column:
    """Rows below one another whose controls begin side by side, after the widest label."""

    def __init__(self) -> None:
        self._rows: WeakSet[_Wrapping] = WeakSet()

    def take(self, row: _Wrapping) -> bool:
        """Let a row be one of them, if it has a label."""
        label = row.widgets[0]
        named = isinstance(label, QLabel) and not label.wordWrap() and bool(label.text())
        if named:
            self._rows.add(row)
        return named

    def width(self) -> int:
        """Return how wide the widest label is."""
        seen = [row.widgets[0] for row in self._rows if not row.parent().isHidden()]
        return max((int(label.sizeHint().width()) for label in seen), default=0)

    def fit(self) -> None:
        """Fit them all, since one came or went."""
        for row in list(self._rows):
            row.fit()


class _Wrapping(QObject):
    """Deals a row's widgets out to lines, whenever its width or theirs changes; lives with it."""

    _column: _Column | None = None  # also once Python has collected it, when Qt still hides the row

    def __init__(self, row: Any, column: _Column | None = None) -> None:
        super().__init__(row)
        layout: Any = row.layout()
        self.widgets = _in_order(row)
        self._column = column if column is not None and column.take(self) else None
        self._gap = layout.spacing()
        # The row's own layout, which magicgui knows, becomes a column of lines; some stay empty.
        layout.setDirection(QBoxLayout.Direction.TopToBottom)
        self._lines = [QHBoxLayout() for _ in self.widgets]
        for line in self._lines:
            line.setSpacing(self._gap)
            layout.addLayout(line)
        self._at: list[int] = []
        self._deal([0] * len(self.widgets))
        row.setMinimumWidth(1)  # until it is known; by itself the row would want all side by side
        row.installEventFilter(self)

    def eventFilter(self, _: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.Show):
            self.fit()
        elif self._column is not None and event.type() in COMES_OR_GOES:
            self._column.fit()
        return False

    def fit(self) -> None:
        """Deal the widgets out as the row is wide now."""
        row: Any = self.parent()
        self._align(row.width())
        row.setMinimumWidth(max(1, *map(_least, self.widgets)))
        self._deal(lines_of([_wanted(x) for x in self.widgets], row.width(), self._gap))

    def wanted(self) -> int:
        """Return the width that the row has where all is on one line."""
        widths = [width for width in map(_wanted, self.widgets) if width]
        return sum(widths) + int(self._gap) * max(0, len(widths) - 1)

    def _align(self, room: int) -> None:
        """Make the label as wide as the others, unless the control would go below it for that."""
        if self._column is None:
            return
        label, own = self.widgets[0], int(self.widgets[0].sizeHint().width())
        wide = self._column.width()
        rest = self.wanted() - (_wanted(label) or own)
        label.setMinimumWidth(wide if wide + rest <= room else own)

    def _deal(self, at: list[int]) -> None:
        if at == self._at:
            return
        self._at = at
        for widget, line in zip(self.widgets, at, strict=True):
            label = isinstance(widget, QLabel) and not widget.wordWrap()
            # Beside its label a control takes all the room: a number box by itself would not.
            stretch = int(self._column is not None and not label)
            self._lines[line].addWidget(widget, stretch)  # taken from where it was
            if label:
                self._lines[line].setAlignment(widget, Qt.AlignmentFlag.AlignLeft)


def _hide_if_empty(label: Any) -> None:
    """Let the label that magicgui puts before a control without one take no room."""
    if isinstance(label, QLabel) and not label.wordWrap():
        label.setVisible(bool(label.text()))


def _is_row(widget: QWidget) -> bool:
    if type(widget) is not QWidget or not isinstance(widget.layout(), QHBoxLayout):
        return False
    count = int(widget.layout().count())
    return 0 < count == len(_in_order(widget))  # no stretches, no other layouts


def _in_order(row: Any) -> list[Any]:
    """Return the widgets in the row's layout.

    Not by the layout's items: PySide6 keeps the Python object of such an item when Qt deletes it,
    which it does where a widget moves on to another line, and takes whatever Qt makes at the same
    address later for it. Napari crashed of that.
    """
    layout = row.layout()
    inside = row.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return sorted((x for x in inside if layout.indexOf(x) >= 0), key=layout.indexOf)


def _between(widget: QWidget, around: QWidget) -> Iterator[QWidget]:
    """Yield what `widget` lies in, inside of `around`."""
    parent = widget.parentWidget()
    while parent is not None and parent is not around:
        yield parent
        parent = parent.parentWidget()


def _least(widget: Any) -> int:
    """Return the width below which a widget cannot be used; 0 where it is hidden."""
    if widget.isHidden():
        return 0
    ignored = widget.sizePolicy().horizontalPolicy() == widget.sizePolicy().Policy.Ignored
    hint = 0 if ignored else int(widget.minimumSizeHint().width())
    return int(widget.minimumWidth()) or hint


def _wanted(widget: Any) -> int:
    """Return the width in which all of a widget can be read; 0 where it is hidden."""
    least = _least(widget)
    if not least:
        return 0
    inside = widget.findChild(_Wrapping) if type(widget) is QWidget else None
    if inside is not None and inside.parent() is widget:
        return max(least, int(inside.wanted()))
    letter = int(widget.fontMetrics().horizontalAdvance("x"))
    if isinstance(widget, (QLineEdit, QSlider)):
        return least + LEGIBLE * letter
    if isinstance(widget, QComboBox) and not widget.property(ELIDES):
        return least + _beyond(widget)
    return least


def _beyond(box: QComboBox) -> int:
    """Return how much wider than its least width a combo box has to be for its longest choice."""
    metrics = box.fontMetrics()
    texts = [box.itemText(n) for n in range(box.count())]
    longest = max((int(metrics.horizontalAdvance(text)) for text in texts), default=0)
    has = box.minimumContentsLength() * int(metrics.horizontalAdvance("X"))
    beyond: int = longest - has - box.iconSize().width() - ICON
    return max(0, beyond)
