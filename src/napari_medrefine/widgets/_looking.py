"""A folder of photos, looked into once it is chosen, and a folder proposed for the result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from magicgui.widgets import FileEdit

from napari_medrefine.progress import Step
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._panel import path_in, when_chosen


class Looking:
    """Looks into the folder of a line, in a job that gives way to another folder.

    Parameters
    ----------
    line : FileEdit
        Where the folder is chosen or typed.
    job : JobPanel
        What runs, one thing at a time.
    begin : callable
        Gets the folder, or None, before it is looked into: what was known of another is to go.
    steps : callable
        Gets the folder and returns the generator that looks.
    found : callable
        Gets the folder and what was found.
    refresh : callable
        Called when it begins and when it is over: what can be pressed may have changed.
    """

    def __init__(
        self,
        line: FileEdit,
        job: JobPanel,
        *,
        begin: Callable[[Path | None], object],
        steps: Callable[[Path], Generator[Step, None, Any]],
        found: Callable[[Path, Any], object],
        refresh: Callable[[], object],
    ) -> None:
        self._line, self._job = line, job
        self._begin, self._steps, self._found, self._refresh = begin, steps, found, refresh
        self._last = ""  # the folder that was looked into last, as it was typed
        self._busy = False
        when_chosen(line, self.look)

    def look(self) -> None:
        """See what is in the folder, unless that is known."""
        text = self._line.line_edit.value.strip()
        if text == self._last:
            return
        if self._job.running:
            if self._busy:
                self._job.stop()
            return  # `ended` looks again
        self._last = text
        folder = path_in(self._line)
        self._begin(folder)
        if folder is None:
            return
        self._busy = True
        steps = self._steps(folder)  # in this thread: it may look at other controls
        self._job.run(
            lambda: steps,
            on_done=lambda what: self._found(folder, what),
            on_end=self.ended,
        )
        self._refresh()

    def ended(self) -> None:
        """Go on after any job of the panel: perhaps another folder was chosen meanwhile."""
        self._busy = False
        self._refresh()
        self.look()


class Proposal:
    """A folder that is proposed for a result, until the user names another.

    Parameters
    ----------
    line : FileEdit
        Where it stands.
    suffix : str
        What is added to the name of the folder of photos.
    """

    def __init__(self, line: FileEdit, suffix: str) -> None:
        self._line, self._suffix = line, suffix
        self._proposed = ""

    def make(self, photos: Path | None) -> None:
        """Propose a folder beside that of the photos; without one take the last proposal back."""
        line = self._line.line_edit
        if line.value.strip() not in ("", self._proposed):
            return
        named = photos if photos is not None and photos.name else None
        self._proposed = str(named.with_name(named.name + self._suffix)) if named else ""
        line.value = self._proposed
