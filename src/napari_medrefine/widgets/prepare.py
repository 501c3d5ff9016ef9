"""The *Prepare dataset* widget: a folder of photos into tiles to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, PushButton
from napari.layers import Layer

from napari_medrefine._words import counted
from napari_medrefine.dataset import (
    MANIFEST,
    SUMMARY,
    Manifest,
    Recipe,
    Survey,
    changed_parts,
    load_manifest,
    prepare_steps,
    recipe_of,
    survey_steps,
)
from napari_medrefine.dataset.cautions import cautions_of
from napari_medrefine.dataset.recipe import SPLITS, Split
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.reader import read_dataset
from napari_medrefine.progress import Step
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._dialogs import open_page
from napari_medrefine.widgets._jobs import JobPanel
from napari_medrefine.widgets._looking import Looking, Proposal
from napari_medrefine.widgets._panel import (
    Panel,
    folder_edit,
    path_in,
    row,
    wrapped_label,
)
from napari_medrefine.widgets._recipe_controls import PARTS, RecipeControls
from napari_medrefine.widgets.tile_outlines import add_outlines

CHOOSE = "Choose a folder of photos, look at what becomes of them, then press 'Prepare'."
GO_ON = "Stopped. What was finished is kept: press 'Prepare' to go on from there."
SUGGESTED = "-dataset"  # added to the name of the folder of photos
WHICH: dict[str, Split | None] = {
    "all parts": None,
    **dict(zip(PARTS, SPLITS, strict=True)),
}
WIDTH = 340  # pixels that the controls need
NAMED = 3  # photos that do not say their objective


@dataclass(frozen=True)
class _Looked:
    """What was found in a folder, and how a dataset of it was made before."""

    folder: Path
    survey: Survey
    before: Recipe | None


class PrepareWidget(Panel):
    """Clean, crop, reduce, cut and split a folder of photos, and look at the result.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer in which the dataset is opened.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._viewer = napari_viewer
        self._make_choices()
        self._make_actions()
        super().__init__(
            [
                self.photos,
                self.found,
                *self.recipe.widgets,
                self.output,
                self.replace,
                self.job,
                row(self.open, self.which),
                row(self.summary, self.outlines),
                self.job.message,
            ],
            least=WIDTH,
        )
        self._connect()
        self._refresh()
        self.job.say(CHOOSE)

    def _make_choices(self) -> None:
        self.photos = folder_edit(
            "Photos", "Folder of JPEG, PNG, TIFF or BMP photos; its sub-folders count too"
        )
        self.found = wrapped_label("What is in the folder, as the photos' names and headers say")
        self.recipe = RecipeControls()
        self.output = folder_edit("Dataset", "Folder that the tiles and their list are written to")
        self.replace = CheckBox(
            text="Replace what is there",
            tooltip="Else a dataset of other photos or of another recipe is not touched",
        )
        self.job = JobPanel("Prepare", "Make the dataset; photos are never changed", "Preparing")

    def _make_actions(self) -> None:
        self.open = PushButton(
            text="Open dataset", tooltip="Add its photos as layers, put together from their tiles"
        )
        self.which = ComboBox(
            choices=list(WHICH.items()), tooltip="Which part of the dataset is opened"
        )
        self.summary = PushButton(
            text="Show summary", tooltip="Open the page with the dataset's tables in the browser"
        )
        self.outlines = PushButton(
            text="Outline tiles",
            tooltip="Draw every tile of the selected photos of a dataset, coloured by its part",
        )

    def _connect(self) -> None:
        self.proposal = Proposal(self.output, SUGGESTED)
        self.looking = Looking(
            self.photos,
            self.job,
            begin=self._begin,
            steps=self._look_steps,
            found=self._take,
            refresh=self._refresh,
        )
        self.output.changed.connect(self._refresh)
        self.job.start.changed.connect(self.prepare)
        self.open.changed.connect(self.open_dataset)
        self.summary.changed.connect(self.show_summary)
        self.outlines.changed.connect(lambda: add_outlines(self._viewer))

    def _begin(self, folder: Path | None) -> None:
        self.recipe.take(None)
        self.found.value = ""
        self.proposal.make(folder)

    def _look_steps(self, folder: Path) -> Generator[Step, None, _Looked]:
        return _look_steps(folder, path_in(self.output) or folder)

    def _take(self, _: Path, looked: _Looked) -> None:
        self.recipe.take(looked.survey, looked.before)
        self.found.value = describe_survey(looked.survey)
        self.job.say("Press 'Prepare' to make the dataset.")

    def prepare(self) -> None:
        """Make the dataset, or what is missing of it."""
        try:
            folder, output = self._folders()
            recipe = self.recipe.recipe()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        overwrite = self.replace.value
        self.job.run(
            lambda: _prepare_steps(folder, output, recipe, overwrite=overwrite),
            on_done=self.job.say,
            on_stop=lambda: self.job.say(GO_ON),
            on_end=self.looking.ended,
        )
        self._refresh()

    def _folders(self) -> tuple[Path, Path]:
        photos, output = path_in(self.photos), path_in(self.output)
        if photos is None:
            raise MedRefineError(CHOOSE)
        if output is None:
            raise MedRefineError("Choose a folder for the dataset first.")
        return photos, output

    def open_dataset(self) -> None:
        """Add the photos of the dataset, or of one part of it, to the viewer."""
        path, split = Path(self.output.value), self.which.value
        added: list[Any] = []
        self.job.run(
            lambda: _open_steps(path, split),
            on_item=lambda data: self._add(Layer.create(*data), added),
            on_done=lambda _: self._opened(added),
            on_end=self.looking.ended,
        )
        self._refresh()

    def _add(self, layer: Layer, added: list[Any]) -> InTurns:
        added.append(layer)
        yield from add_in_turns(self._viewer, layer)

    def _opened(self, added: list[Any]) -> None:
        self._viewer.reset_view()
        seen = next((layer for layer in added if layer.visible), None)
        if seen is not None and seen in self._viewer.layers:
            self._viewer.layers.selection.active = seen
        self.job.say(
            f"Opened {counted(len(added), 'photo')}, the first one shown; click an eye in the "
            "layer list to see another."
        )

    def show_summary(self) -> None:
        """Open the dataset's page in the browser."""
        page = Path(self.output.value) / SUMMARY
        if not open_page(page):
            self.job.say(f"No browser could be opened; the summary is {page}.", problem=True)

    def _refresh(self) -> None:
        idle = not self.job.running
        folder = self.output.line_edit.value.strip()
        self.open.enabled = self.which.enabled = idle and _is_there(folder, MANIFEST)
        self.summary.enabled = _is_there(folder, SUMMARY)


def _look_steps(folder: Path, output: Path) -> Generator[Step, None, _Looked]:
    survey = yield from survey_steps(folder, output)
    before = None
    with suppress(MedRefineError):  # `prepare` will say it
        before = recipe_of(output)
    return _Looked(folder, survey, before)


def _prepare_steps(
    folder: Path, output: Path, recipe: Recipe, *, overwrite: bool
) -> Generator[Step, None, str]:
    """Prepare; return what came of it."""
    before = None
    with suppress(MedRefineError):
        before = load_manifest(output)
    manifest = yield from prepare_steps(folder, output, recipe, overwrite=overwrite)
    return describe_dataset(manifest, changed_parts(before, manifest) if before else [])


def _open_steps(path: Path, split: Split | None) -> Generator[object, None, None]:
    yield Step(0, 0, f"opening {path}")
    yield from read_dataset(path, split=split)


def describe_survey(survey: Survey) -> str:
    """Say in a line or two what is in a folder of photos."""
    count = len(survey.headers)
    parts = [f"{number:,} at {objective:g}x" for objective, number in survey.objectives.items()]
    said = counted(count, "photo") + (f": {', '.join(parts)}" if parts else "") + "."
    if survey.silent:
        do = "does not say its" if len(survey.silent) == 1 else "do not say their"
        named = ", ".join(survey.silent[:NAMED]) + (", ..." if len(survey.silent) > NAMED else "")
        said += f" {len(survey.silent):,} {do} objective ({named}): enter it below if you know it."
    if survey.unreadable:
        said += f" {counted(len(survey.unreadable), 'file')} cannot be read."
    return said


def describe_dataset(manifest: Manifest, moved: list[str]) -> str:
    """Say what became of the photos, and which ones went to another part than before."""
    tiles = Counter(tile.split for tile in manifest.tiles)
    parts = ", ".join(f"{tiles[s]:,} {part}" for s, part in zip(SPLITS, PARTS, strict=True))
    total, photos = counted(len(manifest.tiles), "tile"), counted(len(manifest.photos), "photo")
    said = [f"{total} of {photos}, split by {manifest.split_by}: {parts}."]
    if manifest.left_out:
        named = "\n".join(f"{one.source}: {one.reason}" for one in manifest.left_out)
        said.append(f"{counted(len(manifest.left_out), 'photo')} left out:\n{named}")
    said += [f"Caution: {caution}" for caution in cautions_of(manifest)]
    if moved:
        said.append(
            f"The split was dealt anew: {counted(len(moved), 'photo')} that were there before "
            "went to another part, so do not test networks here that were trained before."
        )
    return "\n\n".join(said)


def _is_there(folder: str, name: str) -> bool:
    try:
        return bool(folder) and (Path(folder) / name).is_file()
    except OSError:  # such as a name that is too long
        return False
