"""What a job shows of itself, however it is run: buttons, a progress bar and words."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets import Container, ProgressBar, PushButton, TextEdit, Widget
from napari.utils.notifications import show_warning

from napari_medrefine.widgets._panel import row


class ProgressPanel(Container):
    """Buttons in a row, a progress bar, and a message.

    The `message` is a widget of its own: whoever uses the panel puts it where there is room.

    Parameters
    ----------
    buttons : sequence of PushButton
        What starts and stops the job.
    tooltip : str
        Of the progress bar.
    more : sequence of Widget
        What else is shown below the bar.
    """

    def __init__(
        self, buttons: Sequence[PushButton], tooltip: str, more: Sequence[Widget] = ()
    ) -> None:
        self.alive = True  # false when Qt has deleted the widgets
        self.bar = ProgressBar(value=0, min=0, max=1, visible=False, tooltip=tooltip)
        self.message = TextEdit(tooltip="What came of it, and what to do next")
        self.message.read_only = True
        self.message.native.setMinimumHeight(72)
        super().__init__(widgets=[row(*buttons), self.bar, *more], labels=False)
        self.margins = (0, 0, 0, 0)
        self.native.destroyed.connect(self._forget)

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask the running job to stop at its next step."""
        raise NotImplementedError

    def say(self, sentence: str, *, problem: bool = False) -> None:
        """Show `sentence` in the widget; a problem also as a napari notification."""
        self.message.value = sentence
        if problem:
            show_warning(sentence)

    def _forget(self) -> None:
        """Stop touching widgets: Qt has deleted ours, with the window or the dock widget."""
        self.alive = False
