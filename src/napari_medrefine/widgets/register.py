"""The *Register* widget: put 10x and 40x photos where they belong on the 4x overview."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import FloatSlider, PushButton
from napari.layers import Image

from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._choices import LayerChoice, LayerChoices
from napari_medrefine.widgets._dialogs import ask_file
from napari_medrefine.widgets._exporting import READ, Exporting
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._layers import (
    check_photo,
    images,
    is_derived,
    likely_fields,
    likely_overview,
)
from napari_medrefine.widgets._panel import Panel, keep_low, row
from napari_medrefine.widgets._placing import (
    Made,
    Task,
    check_units,
    differences,
    register_steps,
)
from napari_medrefine.widgets._registrations import COMPARED, Registrations
from napari_medrefine.widgets._search_controls import SearchControls

OPEN_FIRST = (
    "Open a 4x overview and its 10x or 40x photos first (File > Open File(s)..., or "
    "File > Open Sample > 4x, 10x and 40x photos of one slide)."
)
DIFFERENCE_ADDED = (
    "The difference is black where field and overview agree, four times brightened elsewhere."
)


class RegisterWidget(Panel):
    """Register fields on an overview, fade them, and see how well they lie.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer whose layers are registered.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._registrations = Registrations(napari_viewer)
        self._chosen_by_user = False
        self._make_choices()
        self._make_actions()
        super().__init__(
            [
                self.overview,
                self.fields,
                *self.search.widgets,
                self.job,
                self.opacity,
                row(self.undo, self.redo, self.anyway),
                row(self.outline, self.difference, self.show_search),
                row(self.exporting.format, self.exporting.button, self.load),
                self.job.message,
            ]
        )
        self._connect()
        self.reset_choices()

    def _make_choices(self) -> None:
        self.overview = LayerChoice(
            self._photos, label="Overview", tooltip="The photo that shows the most, usually the 4x"
        )
        self.fields = LayerChoices(
            self._photos,
            label="Fields",
            tooltip="The 10x and 40x photos to place on it; Ctrl or Shift selects several",
        )
        keep_low(self.fields, 90)
        self.search = SearchControls()
        self.job = JobPanel(
            "Register", "Find where the chosen fields lie on the overview", "Registering"
        )

    def _make_actions(self) -> None:
        self.opacity = FloatSlider(
            value=1, min=0, max=1, step=0.01, label="Opacity",
            tooltip="Fade the chosen fields to compare them with the overview below",
        )  # fmt: skip
        self.undo = PushButton(
            text="Undo",
            enabled=False,
            tooltip="Put the fields back to where, and as visible as, they were before, and take "
            "away what was drawn last",
        )
        self.redo = PushButton(text="Redo", enabled=False, tooltip="Do again what was undone last")
        self.anyway = PushButton(
            text="Apply anyway",
            enabled=False,
            tooltip="Put a field that was refused at its best guess, to judge by eye",
        )
        self.outline = PushButton(
            text="Outline", tooltip="Draw the outline of the chosen fields on the overview"
        )
        self.difference = PushButton(
            text="Difference",
            tooltip="Add a layer that is black where field and overview agree, once brightness and "
            "contrast are matched",
        )
        self.show_search = PushButton(
            text="Show search",
            tooltip="Add the places that the search looked at, level by level, coloured by score",
        )
        self.exporting = Exporting(
            lambda: self._registrations.items(self.fields.chosen()), self.job
        )
        self.exporting.parent = lambda: self.native
        self.load = PushButton(
            text="Import…",
            tooltip="Lay the chosen field where a file of MedRefine, ITK, QuPath or napari says",
        )

    def _connect(self) -> None:
        self.overview.changed.connect(self._overview_chosen)
        self.fields.changed.connect(self._fields_chosen)
        self.search.magnification.changed.connect(self._refresh)
        self.job.start.changed.connect(self.register)
        self.opacity.changed.connect(self._fade)
        self.undo.changed.connect(lambda: self._do(self._registrations.history.undo))
        self.redo.changed.connect(lambda: self._do(self._registrations.history.redo))
        self.anyway.changed.connect(lambda: self._do_with_fields(self._registrations.apply_anyway))
        self.outline.changed.connect(lambda: self._do_with_fields(self._registrations.add_outlines))
        self.difference.changed.connect(self.show_difference)
        self.show_search.changed.connect(
            lambda: self._do_with_fields(self._registrations.show_search)
        )
        self.load.changed.connect(self._ask_and_load)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.reset_choices)

    def reset_choices(self, *_: Any) -> None:
        """Follow the viewer's layers; choose likely ones until the user has chosen."""
        if not self._initialized or not self.job.alive:
            return
        self._registrations.forget_removed()
        overview = self.overview.value
        self.overview.reset_choices()
        self.fields.reset_choices()
        if overview not in self._photos():
            self._chosen_by_user = False  # the next photos are of another slide
        if not self._chosen_by_user and not self.job.running:
            overview = likely_overview(self._photos())
            with self.overview.changed.blocked():
                self.overview.choose([overview] if overview is not None else [])
            self._suggest_fields()
        self._refresh()

    def _photos(self) -> list[Layer]:
        """Return the images that are no results of ours."""
        return [layer for layer in images(self._viewer) if not is_derived(layer)]

    def _suggest_fields(self) -> None:
        with self.fields.changed.blocked():
            self.fields.choose(likely_fields(self.overview.value, self._photos()))

    def _overview_chosen(self) -> None:
        if not self._chosen_by_user:
            self._suggest_fields()
        self._chosen_by_user = True
        self._refresh()

    def _fields_chosen(self) -> None:
        self._chosen_by_user = True
        self._refresh()

    def _refresh(self) -> None:
        """Make what is shown agree with the chosen layers."""
        chosen = self.fields.chosen()
        self.search.tell(self.overview.value, chosen)
        if chosen:
            with self.opacity.changed.blocked():
                self.opacity.value = chosen[0].opacity
        self._refresh_history()
        self.anyway.enabled = bool(self._registrations.refused(chosen))

    def _refresh_history(self) -> None:
        history = self._registrations.history
        self.undo.enabled, self.redo.enabled = history.can_undo, history.can_redo

    def _fade(self, opacity: float) -> None:
        self._registrations.fade(self.fields.chosen(), opacity)
        self._refresh_history()

    def register(self) -> None:
        """Look for the chosen fields on the chosen overview, and place those that are found."""
        if self.job.running:
            return
        try:
            overview, tasks = self._tasks()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        angle, method = self.search.angles, self.search.method.value
        said: list[str] = []
        self._registrations.begin()
        self.job.run(
            lambda: register_steps(overview, tasks, angle, method),
            on_item=lambda found: said.append(self._registrations.take(overview, found)),
            on_done=lambda _: self._tell(said, overview),
            on_stop=lambda: self.job.say("\n\n".join([*said, "Stopped."])),
            on_end=self._refresh,
        )

    def _tell(self, said: list[str], overview: Layer) -> None:
        covered = self._registrations.still_covered(overview)
        self.job.say("\n\n".join([*said, covered] if covered else said))

    def _tasks(self) -> tuple[Layer, list[Task]]:
        """Return what to register, or raise a sentence that says what to do first."""
        if not self._photos():
            raise MedRefineError(OPEN_FIRST)
        overview = check_photo(self.overview.value, "a 4x overview")
        chosen = self.fields.chosen()
        if not chosen:
            raise MedRefineError("Select one or more 10x or 40x photos under 'Fields' first.")
        if overview in chosen:
            raise MedRefineError(
                f"'{overview.name}' is chosen as the overview and as a field; choose another field."
            )
        fields = [check_photo(layer, "a field") for layer in chosen]
        for field in fields:
            check_units(overview, field)
        return overview, [Task(field, self.search.ratio(overview, field)) for field in fields]

    def show_difference(self) -> None:
        """Add a layer for each chosen field that shows how far it and its overview are apart."""
        try:
            known = self._registrations.of(self.fields.chosen())
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._registrations.begin()
        self.job.run(
            lambda: differences(known),
            on_item=self._add_difference,
            on_done=lambda _: self.job.say(DIFFERENCE_ADDED),
        )

    def _add_difference(self, made: Made) -> InTurns:
        layer = Image(made.image, **made.options)
        yield
        if not set(made.of) <= set(self._viewer.layers):
            return
        adding = add_in_turns(self._viewer, layer)
        with self._registrations.adding(COMPARED):
            names = [layer.name for layer in made.of]
            self._registrations.remove_own("difference_of", names)
            next(adding)
        self._refresh_history()
        yield
        yield from adding

    def _ask_and_load(self) -> None:
        self._do(self._load)

    def _load(self) -> str:
        overview = check_photo(self.overview.value, "a 4x overview")
        chosen = self.fields.chosen()
        if len(chosen) != 1 or overview in chosen:
            raise MedRefineError(
                "Select the one field under 'Fields' that the file is about first."
            )
        field = check_photo(chosen[0], "a field")
        check_units(overview, field)
        path = ask_file(self.native, "Import a placement", READ)
        if path is None:
            return "Nothing was imported."
        return self._registrations.take_over(overview, field, path)

    def _do_with_fields(self, action: Callable[[list[Layer]], str]) -> None:
        self._do(lambda: action(self.fields.chosen()))

    def _do(self, action: Callable[[], str]) -> None:
        """Do something at once, and say what came of it."""
        try:
            self.job.say(action())
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
        self._refresh()
