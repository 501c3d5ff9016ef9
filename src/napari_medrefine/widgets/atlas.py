"""The *Atlas* widget: a folder of photos put in order, every slide assembled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, PushButton, Select

from napari_medrefine._tables import Cell
from napari_medrefine._words import counted
from napari_medrefine.atlas import (
    RECORD,
    Atlas,
    PhotoRecord,
    atlas_steps,
    describe_coverage,
    load_atlas,
    rows_of,
)
from napari_medrefine.atlas.layers import LayerData, layers_steps
from napari_medrefine.errors import MedRefineError
from napari_medrefine.photos import find_photos, no_photos
from napari_medrefine.progress import Step, in_part
from napari_medrefine.widgets._adding import InTurns
from napari_medrefine.widgets._atlas_export import items_of
from napari_medrefine.widgets._atlas_table import AtlasTable
from napari_medrefine.widgets._atlas_view import AtlasView, Shown
from napari_medrefine.widgets._dask_scheduler import load_scheduler
from napari_medrefine.widgets._exporting import Exporting, Item
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._looking import Looking, Proposal
from napari_medrefine.widgets._panel import (
    Panel,
    folder_edit,
    keep_low,
    path_in,
    row,
)

CHOOSE = "Choose a folder with photos of one or several slides, then press 'Put in order'."
FORMATS = {"OME-Zarr": "ome-zarr", "OME-TIFF": "ome-tiff"}
CHOOSE_OUTPUT = "Choose a folder for the atlas first."
NOT_THERE = " It has no layer in the viewer."
MADE = 0.9  # of the job is done when the atlas is made; the rest is showing it
LISTED = 1000  # photos among which overviews can be chosen; more would hold up the window
SUGGESTED = "-atlas"  # added to the name of the folder of photos


class AtlasWidget(Panel):
    """Find out which photos of a folder are overviews and where all others lie, and show it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer in which the slides are assembled.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._view = AtlasView(napari_viewer)
        self._shown: tuple[Path, Atlas] | None = None
        self.rows: list[dict[str, Cell]] = []
        self._make_choices()
        self._make_actions()
        super().__init__(
            [
                self.photos,
                self.overviews,
                self.output,
                self.replace,
                self.job,
                row(self.open, row(self.save, self.format)),
                row(self.exporting.format, self.exporting.button),
                self.match,
                self.table,
                self.opacity,
                row(self.missing, row(self.undo, self.redo)),
                self.job.message,
            ]
        )
        self._connect()
        self._refresh()
        self.job.say(CHOOSE)

    def _make_choices(self) -> None:
        self.photos = folder_edit("Photos", "Folder of JPEG, PNG, TIFF or BMP photos, in any order")
        self.overviews = Select(
            label="Overviews", choices=(),
            tooltip="The photos that are overviews, if you know; choose none to have them found",
        )  # fmt: skip
        keep_low(self.overviews, 70)
        self.output = folder_edit("Atlas", "Folder for the table and the placements")
        self.replace = CheckBox(
            text="Replace an atlas that is there", tooltip="Else nothing that is there is touched"
        )
        self.job = JobPanel(
            "Put in order", "Find the overviews, and where all other photos lie", "Atlas"
        )

    def _make_actions(self) -> None:
        self.open = PushButton(
            text="Open atlas", tooltip="Show the atlas that is in the folder above"
        )
        self.save = PushButton(
            text="Save slides", tooltip="Save every slide as one pyramid, its fields blended in"
        )
        self.format = ComboBox(
            choices=list(FORMATS), tooltip="What the slides are saved as, for other viewers"
        )
        self.exporting = Exporting(self._items, self.job)
        self.exporting.parent = lambda: self.native
        self.match = CheckBox(
            text="Match colours in saved slides",
            tooltip="Fit the fields' brightness and contrast to the overview; else their pixels "
            "stay as they were photographed",
        )
        self.table = AtlasTable(self._fly_to)
        self.opacity = FloatSlider(
            value=1, min=0, max=1, step=0.01, label="Opacity",
            tooltip="Fade all fields at once to see the overviews below",
        )  # fmt: skip
        self.missing = CheckBox(
            text="Show what is missing",
            tooltip="Blue (10x, or the only objective) and orange (40x) were photographed, "
            "dark was not",
        )
        self.undo = PushButton(
            text="Undo",
            tooltip="Take the atlas away again and bring back the one before, or undo what was "
            "changed since",
        )
        self.redo = PushButton(text="Redo", tooltip="Do again what was undone last")

    def _connect(self) -> None:
        self.proposal = Proposal(self.output, SUGGESTED)
        self.looking = Looking(
            self.photos,
            self.job,
            begin=self._begin,
            steps=_look_steps,
            found=self._found,
            refresh=self._refresh,
        )
        self.output.changed.connect(self._refresh)
        self.job.start.changed.connect(self.make)
        self.open.changed.connect(self.open_atlas)
        self.save.changed.connect(self.save_slides)
        self.opacity.changed.connect(self._fade)
        self.missing.changed.connect(self._show_missing)
        self.undo.changed.connect(lambda: self._go(self._view.history.undo))
        self.redo.changed.connect(lambda: self._go(self._view.history.redo))
        self._viewer.layers.events.removed.connect(self._layer_removed)

    def _begin(self, _: Path | None) -> None:
        self._offer([])
        self.proposal.make(None)

    def _found(self, folder: Path, names: list[str]) -> None:
        if not names:
            self.job.say(str(no_photos(folder)), problem=True)
            return
        self._offer(names)
        self.proposal.make(folder)
        more = f" Only the first {LISTED:,} are listed above." if len(names) > LISTED else ""
        self.job.say(
            f"{len(names):,} photos.{more} Press 'Put in order' to find where they belong."
        )

    def _offer(self, names: list[str]) -> None:
        """Let the overviews be chosen among so many photos that one can look through them."""
        self.overviews.choices = names[:LISTED]
        self.overviews.value = []

    def _refresh(self) -> None:
        idle = not self.job.running
        self.open.enabled = idle and _is_atlas(path_in(self.output))
        self.save.enabled = self.format.enabled = idle and self._shown is not None
        self.exporting.button.enabled = self.exporting.format.enabled = self.save.enabled
        self._refresh_history()

    def _refresh_history(self) -> None:
        history, idle = self._view.history, not self.job.running
        self.undo.enabled, self.redo.enabled = idle and history.can_undo, idle and history.can_redo

    def _layer_removed(self) -> None:
        if self.job.alive:
            self._view.forget_removed()
            self._refresh_history()

    def _go(self, there: Callable[[], str]) -> None:
        """Undo or redo, and make table and controls agree with the layers."""
        try:
            self.job.say(there())
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
        self._tell_of(self._view.shown)
        self._refresh()

    def _tell_of(self, shown: Shown | None) -> None:
        """Show the table of an atlas, and how its layers are shown."""
        if (self._shown and self._shown[1]) is not (shown and shown.atlas):
            self._shown = (shown.folder, shown.atlas) if shown else None
            self.rows = shown.rows if shown else []
            self.table.show_rows(self.rows)
        with self.opacity.changed.blocked(), self.missing.changed.blocked():
            opacity = self._view.opacity
            self.opacity.value = 1.0 if opacity is None else opacity
            self.missing.value = self._view.covered

    def make(self) -> None:
        """Put the photos in order and show the slides."""
        folder, output = path_in(self.photos), path_in(self.output)
        if folder is None or output is None:
            self.job.say(CHOOSE if folder is None else CHOOSE_OUTPUT, problem=True)
            return
        job = atlas_steps(
            folder,
            output,
            overviews=list(self.overviews.value) or None,
            overwrite=self.replace.value,
        )
        self._run(output, job)

    def open_atlas(self) -> None:
        """Show the atlas in the folder that is chosen."""
        folder = path_in(self.output)
        if folder is not None:
            self._run(folder, None)

    def _run(self, folder: Path, job: Generator[Step, None, Atlas] | None) -> None:
        self.job.run(
            lambda: _make_and_show(folder, job),
            on_item=self._take,
            on_done=lambda _: self._done(),
            on_end=self.looking.ended,
        )
        self._refresh()

    def _take(self, item: Shown | LayerData) -> InTurns:
        """Take what the job has come to: the atlas, then a layer after the other."""
        if isinstance(item, Shown):
            yield from self._view.begin(item)
            self._tell_of(item)
        else:
            yield from self._view.add(item)

    def _done(self) -> None:
        self._viewer.reset_view()
        self._view.select_overview()
        if self._shown is not None:
            self.job.say(describe(self._shown[1]))

    def _fade(self, opacity: float) -> None:
        self._view.fade(opacity)
        self._refresh_history()

    def _fly_to(self, source: str) -> None:
        if self._shown is None:
            return
        photo = next(x for x in self._shown[1].photos if x.source == source)
        there = self._view.fly_to(source)
        self.job.say(what_it_is(self._shown[1], photo) + ("" if there else NOT_THERE))
        self._refresh_history()

    def _show_missing(self, visible: bool) -> None:
        self._view.show_coverage(visible)
        self._refresh_history()
        rows = self._view.coverage_rows()
        if visible and rows:
            self.job.say("\n".join(describe_coverage(rows)))

    def save_slides(self) -> None:
        """Save every slide as one pyramid, into the atlas's folder."""
        from napari_medrefine.atlas.slides import save_slides_steps  # here: it is seldom needed

        if self._shown is None:
            return
        folder, atlas = self._shown
        self.job.run(
            lambda: save_slides_steps(
                folder,
                atlas,
                FORMATS[self.format.value],
                match=self.match.value,
                overwrite=self.replace.value,
            ),
            on_done=self._saved,
            on_end=self.looking.ended,
        )
        self._refresh()

    def _items(self) -> list[Item]:
        """Return the placements of all fields, for other programs."""
        if self._shown is None:
            raise MedRefineError("Open an atlas first.")
        items = items_of(*self._shown)
        if not items:
            raise MedRefineError("No field of this atlas was placed.")
        return items

    def _saved(self, paths: Sequence[Path]) -> None:
        self.job.say(f"Saved in {paths[0].parent}: {', '.join(path.name for path in paths)}")


def _make_and_show(
    folder: Path, job: Generator[Step, None, Atlas] | None
) -> Generator[object, None, None]:
    """Make an atlas, or read the one that is there, and yield it and its layers."""
    made = 0.0 if job is None else MADE
    atlas = load_atlas(folder) if job is None else (yield from in_part(job, 0, MADE))
    yield Shown(folder, atlas, rows_of(folder, atlas))
    load_scheduler()  # the photos' finest levels are read when they are shown
    yield from in_part(layers_steps(folder, atlas), made, 1)


def _look_steps(folder: Path) -> Generator[Step, None, list[str]]:
    yield Step(0, 0, f"looking for photos in {folder}")
    paths = find_photos(folder, recursive=True)
    return [path.relative_to(folder).as_posix() for path in paths]


def _is_atlas(folder: Path | None) -> bool:
    try:
        return folder is not None and (folder / RECORD).is_file()
    except OSError:  # such as a name that is too long
        return False


def what_it_is(atlas: Atlas, photo: PhotoRecord) -> str:
    """Say in a sentence or two where a photo of an atlas lies, and why."""
    if photo.role == "overview":
        on_it = sum(x.role == "field" and x.overview == photo.source for x in atlas.photos)
        return f"{photo.source} is an overview; {counted(on_it, 'field')} on it."
    if photo.role == "field":
        return f"{photo.source} on {photo.overview}: {photo.reason}"
    if photo.role == "refused":
        guess = f"; the best guess was {photo.overview}" if photo.overview else ""
        return f"{photo.source} lies on none of the overviews{guess}. {photo.reason}"
    return f"{photo.source}: {photo.reason}"


def describe(atlas: Atlas) -> str:
    """Say in a few sentences what the photos turned out to be."""
    placed = sum(photo.role == "field" for photo in atlas.photos)
    others = [x for x in atlas.photos if x.role in ("refused", "unreadable")]
    overviews = counted(len(atlas.overviews), "overview")
    text = f"{counted(placed, 'field')} placed on {overviews}."
    if others:
        named = "; ".join(f"{photo.source}: {photo.reason}" for photo in others)
        text += f" {len(others)} not placed: {named}"
    return text
