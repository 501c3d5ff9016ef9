"""The end of a napari window, noticed while all that is in it is still there."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any
from weakref import ReferenceType, ref

from magicgui.widgets import Widget
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow


class Closing:
    """Ends what is on in a window that closes, or whose Python ends.

    Qt tells a widget of its own end only when the canvas may be gone already; then nothing can be
    given back what it had.

    Parameters
    ----------
    widget : Widget
        In the window.
    end : callable
        Ends what is on.
    """

    def __init__(self, widget: Widget, end: Callable[[], object]) -> None:
        self._widget, self._end = widget, end
        self._window: ReferenceType[Any] | None = None  # or the one would keep the other
        self._ear: _Ear | None = None

    def watch(self) -> None:
        """Begin to watch the window that the widget is in now, if it is in one."""
        self.forget()
        window = _window_of(self._widget.native)
        if window is not None:
            self._window = ref(window)
            self._ear = _Ear(window, self._end)
            atexit.register(self._end)  # before Qt's own, which deletes all windows

    def forget(self) -> None:
        """Watch no longer."""
        ear, self._ear = self._ear, None
        if ear is not None:
            atexit.unregister(self._end)
            if isalive(ear):
                ear.deleteLater()

    @property
    def gone(self) -> bool:
        """Whether the window has been deleted."""
        window = None if self._window is None else self._window()
        return self._window is not None and (window is None or not isalive(window))


class _Ear(QObject):
    """Hears that the program hides a window: it is closed. The system does when it is minimised."""

    def __init__(self, window: Any, end: Callable[[], object]) -> None:
        super().__init__(window)
        self._end: Callable[[], object] = end
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """End what is on, and let the event go on."""
        del watched
        if event.type() == QEvent.Type.Hide and not event.spontaneous():
            self._end()
        return False


def _window_of(native: Any) -> Any:
    """Return the main window, also of a dock that floats; None where there is none."""
    around = native
    while around is not None and not isinstance(around, QMainWindow):
        around = around.parentWidget()
    return around
