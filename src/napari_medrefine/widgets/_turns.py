"""Do one thing after another in Qt's main thread, each in a turn of the event loop of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator

from qtpy.QtCore import QObject, QTimer

Task = Callable[[], object]


class Turns:
    """Tasks that are done in order; one that returns a generator goes on in the next turns.

    Parameters
    ----------
    parent : QObject, optional
        With it the turns end.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        self._tasks: deque[Task] = deque()  # the first is the one under way, if any
        self._begun: Generator[object, None, object] | None = None
        self._busy = False
        self._rested = False  # whether Qt has had a turn for itself since the last of ours
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    def add(self, task: Task) -> None:
        """Do `task` in a turn of its own, after all that was added before."""
        self._tasks.append(task)
        if not self._busy:
            self._timer.start()

    def then(self, task: Task) -> None:
        """Do `task` after all that was added before: at once where nothing is left of it."""
        if self._tasks:
            self.add(task)
        else:
            self._tasks.append(task)
            self._rested = True
            self._turn()

    def finish(self) -> None:
        """Do at once all that is left."""
        while self._tasks and not self._busy:
            self._go_on()

    def _turn(self) -> None:
        if self._busy or not self._tasks:  # a task lets Qt handle events, or `finish` was quicker
            return
        if not self._rested:  # in this turn Qt may have painted, which is enough for one
            self._rested = True
            self._timer.start()
            return
        self._rested = False
        try:
            self._go_on()
        finally:
            if self._tasks:
                self._timer.start()

    def _go_on(self) -> None:
        """Do the first task, or what comes next in it."""
        self._busy, over = True, True
        try:
            over = self._is_over()
        finally:
            self._busy = False
            if over:
                self._begun = None
                self._tasks.popleft()

    def _is_over(self) -> bool:
        if self._begun is None:
            made = self._tasks[0]()
            if not isinstance(made, Generator):
                return True
            self._begun = made
        return next(self._begun, self) is self
