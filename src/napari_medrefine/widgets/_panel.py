"""A dock widget that fits a small screen: it scrolls, and no control forces it wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, FileEdit, Label, TextEdit, Widget
from magicgui.widgets.bases import ButtonWidget
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QGraphicsOpacityEffect, QSizePolicy

from napari_medrefine.widgets._choices import LayerChoice
from napari_medrefine.widgets._wrapping import ELIDES, wrap_rows

NARROW = 8  # letters that a combo box must at least show
WIDEST = 480  # pixels that a panel asks for by itself, with large letters say
WIDE = 314  # pixels: buttons can be read in full, and at 1280 the canvas keeps half the window
FADED = 0.4  # opacity of what is no longer true
_PATIENCE_MS = 200  # between two looks at a job that is asked to stop


class Panel(Container):
    """A container with a `job`, whose widgets scroll when the window is low.

    magicgui's own ``scrollable=True`` does not survive napari, which docks the inner widget without
    its scroll area; so the scroll area is put inside.
    """

    job: Any  # a JobPanel

    def __init__(
        self, widgets: Sequence[Widget], *, body_labels: bool = True, least: int = WIDE
    ) -> None:
        for widget in widgets:
            _let_shrink(widget)
        self.body = Container(widgets=widgets, scrollable=True, labels=body_labels)
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self.native.layout().addWidget(self.body.root_native_widget)
        wrap_rows(self.body.native)
        _AsWideAsItsControls(self.body.root_native_widget, least)
        self._leaving = QTimer(self.native)  # gone with it, where napari deletes it
        self._leaving.setSingleShot(True)
        self._leaving.timeout.connect(self._let_go)
        self.native_parent_changed.connect(self._parent_changed)

    def _parent_changed(self, parent: object) -> None:
        """Stop what is running when the dock widget is closed: then it has no parent."""
        if parent is None:
            self.job.stop()
            self._leaving.start(0)

    def _let_go(self) -> None:
        """Delete the widgets of a closed dock, as soon as no job uses them.

        Python's garbage collector does not see what PySide's signals hold: they would stay.
        """
        if self.native.parent() is not None:  # docked again
            return
        if self.job.running:
            self._leaving.start(_PATIENCE_MS)
        else:
            self.native.deleteLater()


def row(*widgets: Widget, **options: Any) -> Container:
    """Return widgets side by side, without labels of their own."""
    return _bare(Container(widgets=widgets, layout="horizontal", labels=False, **options))


def stacked(widgets: Sequence[Widget]) -> Container:
    """Return widgets below one another; what has no label takes the whole width.

    In a container with labels, magicgui would set it in by an empty one.
    """
    lines: list[Widget] = []
    for labelled, group in groupby(widgets, _in_line):
        some = list(group)
        lines += [_bare(Container(widgets=some))] if labelled else some
    return _bare(Container(widgets=lines, labels=False))


def _in_line(widget: Widget) -> bool:
    """Whether magicgui sets a widget well below others with labels."""
    return bool(widget.label) or isinstance(widget, ButtonWidget)


def _bare(container: Container) -> Container:
    container.margins = (0, 0, 0, 0)
    return container


def keep_low(widget: Widget, height: int) -> None:
    """Give a list a fixed height, so that it takes no room from the others."""
    widget.native.setFixedHeight(height)
    widget.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def wrapped_label(tooltip: str, value: str = "") -> Label:
    """Return a label whose text takes as many lines as it needs."""
    label = Label(value=value, tooltip=tooltip)
    label.native.setWordWrap(True)
    # Or a long word, set later, would make the panel wider than its dock.
    label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    label.native.installEventFilter(_AsHighAsItsText(label.native))
    return label


def tell(label: Label, text: str) -> None:
    """Show `text` in a wrapped label, as high as it needs."""
    label.value = text
    _AsHighAsItsText.fit(label.native)


def grey(widget: Widget, *, on: bool) -> None:
    """Let a widget fade, as what is no longer true; it can be read and used as before."""
    fading = QGraphicsOpacityEffect(widget.native) if on else None
    if fading is not None:
        fading.setOpacity(FADED)
    widget.native.setGraphicsEffect(fading)


def grow_with_text(edit: TextEdit, least: int, most: int) -> None:
    """Make a box as high as its text, between `least` and `most` pixels; beyond that it scrolls."""
    _GrowsWithText(edit.native, least, most)


def folder_edit(label: str, tooltip: str) -> FileEdit:
    """Return a line to type a folder in, or to choose it."""
    edit = FileEdit(label=label, mode="d", tooltip=tooltip)
    edit.choose_btn.text, edit.choose_btn.tooltip = "Choose…", tooltip
    return edit


def path_in(edit: FileEdit) -> Path | None:
    """Return the path that was typed or chosen, None where the line is empty."""
    text = edit.line_edit.value.strip()
    return Path(text).expanduser() if text else None


def when_chosen(edit: FileEdit, look: Callable[[], object]) -> None:
    """Have `look` called once a path is chosen; not while it is typed: it may stand for a disk."""

    def changed() -> None:
        if not edit.line_edit.native.isModified():  # by the keyboard, so there may be more to come
            look()

    edit.changed.connect(changed)
    edit.line_edit.native.editingFinished.connect(look)


class _AsHighAsItsText(QObject):
    """Keeps a wrapped label as high as its text is in its width: nested layouts do not."""

    def eventFilter(self, label: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Resize:
            self.fit(label)
        return False

    @staticmethod
    def fit(label: Any) -> None:
        before = label.minimumHeight()
        label.setMinimumHeight(0)  # or Qt would answer with no less
        label.setMinimumHeight(max(0, label.heightForWidth(label.width())))
        if label.minimumHeight() == before:
            return
        around = label.parentWidget()
        while around is not None and around.layout() is not None:
            around.layout().activate()
            around = around.parentWidget()


class _AsWideAsItsControls(QObject):
    """Keeps a panel so wide that no control is cut; where that would be too wide, it scrolls."""

    def __init__(self, area: Any, least: int) -> None:
        super().__init__(area)
        self._least = least
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        area.setMinimumWidth(least)
        area.widget().installEventFilter(self)

    def eventFilter(self, body: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            area: Any = self.parent()
            bar = area.verticalScrollBar().sizeHint().width()
            around = bar + 2 * area.frameWidth()
            needed = min(body.minimumSizeHint().width() + around, WIDEST)
            area.setMinimumWidth(max(needed, self._least))
        return False


class _GrowsWithText(QObject):
    """Gives a text box its height; lives as long as the box."""

    def __init__(self, box: Any, least: int, most: int) -> None:
        super().__init__(box)
        self._least, self._most = least, most
        box.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit(box.document().size())

    def _fit(self, size: Any) -> None:
        box: Any = self.parent()
        around = box.height() - box.viewport().height() if box.isVisible() else 2 * box.frameWidth()
        height = int(size.height()) + around
        box.setFixedHeight(min(max(height, self._least), self._most))


def _let_shrink(widget: Widget) -> None:
    if isinstance(widget, ComboBox):
        box = widget.native
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(NARROW)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        box.setProperty(ELIDES, isinstance(widget, LayerChoice))
    if isinstance(widget, Container):
        for inner in widget:
            _let_shrink(inner)
