"""The controls that say how photos become a dataset, and what is told of that beforehand."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox, Label, SpinBox
from pydantic import ValidationError
from qtpy.QtWidgets import QAbstractSpinBox, QSizePolicy

from napari_medrefine._records import first_problem
from napari_medrefine._words import counted
from napari_medrefine.dataset import Cleaning, Recipe, Survey
from napari_medrefine.dataset.recipe import plan_cut
from napari_medrefine.errors import MedRefineError
from napari_medrefine.widgets._fold import Fold
from napari_medrefine.widgets._panel import row, wrapped_label

UNKNOWN = "unknown"  # what a box shows at 0
PARTS = ("training", "validation", "test")
SPLIT_BY = {"slides, if there are enough": "auto", "slides": "slide", "photos": "photo"}
_STUDY = Recipe()


class RecipeControls:
    """A recipe as controls; `widgets` in the order to show them."""

    def __init__(self) -> None:
        self._survey: Survey | None = None
        self._make_facts()
        self._make_recipe()
        self._make_cleaning()
        self.widgets = (
            self.objective,
            self.sizes,
            self.tiles,
            self.gives,
            self.parts,
            self.split_by,
            *self.folded.widgets,
        )
        for control in (self.tile, self.reduce):
            control.changed.connect(self._tell_tiles)
        self.objective.changed.connect(self._ask_sizes)

    def _make_facts(self) -> None:
        self.objective = _may_be_unknown(
            FloatSpinBox(
                value=0, min=0, max=200, step=1, label="Objective", visible=False,
                tooltip="The magnification of the photos that do not say theirs, e.g. 40",
            ),
            "x", 3,
        )  # fmt: skip
        self.sizes = Container(
            label="Pixel size", visible=False,
            tooltip="Of the photos as they are; only for the scale bar, and may stay unknown",
        )  # fmt: skip
        self.sizes.margins = (0, 0, 0, 0)

    def _make_recipe(self) -> None:
        self.tile = SpinBox(
            value=_STUDY.tile, min=32, max=8192, step=32, tooltip="Side of a tile in pixels"
        )
        self.reduce = SpinBox(
            value=_STUDY.reduce, min=1, max=64,
            tooltip="So many photo pixels become one tile pixel, in both directions (their mean)",
        )  # fmt: skip
        self.tiles = row(
            _narrow(self.tile), Label(value="px, reduced by"), _narrow(self.reduce),
            label="Tiles", tooltip="How large the tiles are, and how many times reduced",
        )  # fmt: skip
        self.gives = wrapped_label("What the photos, those of the most common size, are cut into")
        self.shares = [
            _narrow(SpinBox(value=share, min=0, max=99_999, tooltip=f"Share of tiles for {part}"))
            for share, part in zip(_STUDY.proportions, PARTS, strict=True)
        ]
        self.parts = row(
            *self.shares, label="Parts", tooltip="Training, validation and test; only ratios count"
        )
        self.split_by = ComboBox(
            label="Split by", choices=list(SPLIT_BY.items()),
            tooltip="What is never divided: tiles of one slide look alike, so a network would be "
            "tested on what it was trained on",
        )  # fmt: skip
        self.seed = SpinBox(
            label="Seed", value=_STUDY.seed, min=0, max=2**31 - 1,
            tooltip="Decides which slides or photos go where; the same seed, the same split",
        )  # fmt: skip

    def _make_cleaning(self) -> None:
        study = _STUDY.cleaning
        self.contrast = FloatSpinBox(
            label="Contrast", value=study.contrast, min=0, max=100, step=0.1,
            tooltip="Photos with less are blank and left out; 0 keeps all",
        )  # fmt: skip
        self.sharpness = FloatSpinBox(
            label="Sharpness", value=study.sharpness, min=0, max=100, step=0.01,
            tooltip="Photos with less are out of focus and left out; 0 keeps all",
        )  # fmt: skip
        self.clipped = FloatSpinBox(
            label="Clipped", value=study.clipped, min=0, max=1, step=0.05,
            tooltip="Photos with a larger share of clipped pixels are over- or under-exposed and "
            "left out; 1 keeps all",
        )  # fmt: skip
        self.duplicates = CheckBox(
            text="Leave out copies", value=study.duplicates,
            tooltip="Of photos that are the same, only the first is taken",
        )  # fmt: skip
        limits = (self.contrast, self.sharpness, self.clipped, self.duplicates)
        self.folded = Fold(
            "Seed and cleaning",
            "Show or hide the seed of the split, and the limits beyond which photos are left out",
            (self.seed, *limits),
        )

    def take(self, survey: Survey | None, before: Recipe | None = None) -> None:
        """Ask for what the photos do not say, and tell what becomes of them.

        What was said when the dataset was made `before` is taken over.
        """
        self._survey = survey
        said = before or _STUDY
        with self.objective.changed.blocked():
            self.objective.value = said.objective or 0
        self.objective.visible = bool(survey and survey.silent)
        self.sizes.clear()
        self._ask_sizes()
        for objective, size in said.pixel_um.items():
            if (box := self._size_boxes().get(objective)) is not None:
                box.value = size
        self._tell_tiles()

    def recipe(self) -> Recipe:
        """Return what the controls say.

        Raises
        ------
        MedRefineError
            If that is impossible.
        """
        sizes = {objective: box.value for objective, box in self._size_boxes().items() if box.value}
        try:
            return Recipe(
                tile=self.tile.value,
                reduce=self.reduce.value,
                proportions=tuple(share.value for share in self.shares),
                split_by=self.split_by.value,
                seed=self.seed.value,
                objective=self._told_objective(),
                pixel_um=sizes,
                cleaning=Cleaning(
                    contrast=self.contrast.value,
                    sharpness=self.sharpness.value,
                    clipped=self.clipped.value,
                    duplicates=self.duplicates.value,
                ),
            )
        except ValidationError as error:
            raise MedRefineError(f"This recipe is impossible: {first_problem(error)}.") from error

    def _told_objective(self) -> float | None:
        asked = self._survey is not None and self._survey.silent
        return (self.objective.value or None) if asked else None

    def _size_boxes(self) -> dict[float, Any]:
        return {float(box.label.removesuffix("x")): box for box in self.sizes}

    def _ask_sizes(self) -> None:
        """Show a box for each objective whose pixel size is not known, keeping what was entered."""
        wanted = self._survey.unmeasured(self._told_objective()) if self._survey else []
        values = {objective: box.value for objective, box in self._size_boxes().items()}
        self.sizes.clear()
        for objective in wanted:
            self.sizes.append(_size_box(objective, values.get(objective, 0)))
        self.sizes.visible = bool(wanted)

    def _tell_tiles(self) -> None:
        shape = self._survey.usual_shape if self._survey else None
        self.gives.value = "" if shape is None else describe_cut(shape, self._geometry())

    def _geometry(self) -> Recipe:
        return Recipe(tile=self.tile.value, reduce=self.reduce.value)


def describe_cut(shape: tuple[int, int], recipe: Recipe) -> str:
    """Say what becomes of a photo of `shape`."""
    height, width = shape
    try:
        cut = plan_cut(height, width, recipe)
    except MedRefineError as error:
        return f"No tiles: {error}."
    high, wide = cut.height // recipe.reduce, cut.width // recipe.reduce
    tiles = high * wide // recipe.tile**2
    cropped = f"cropped to {cut.width} x {cut.height}"
    if (cut.height, cut.width) == shape:
        cropped = "not cropped"
    reduced = f", reduced to {wide} x {high}" if recipe.reduce > 1 else ""
    return (
        f"{width} x {height} is {cropped}{reduced}: {counted(tiles, 'tile')} of "
        f"{recipe.tile} x {recipe.tile}"
    )


def _narrow(box: SpinBox) -> SpinBox:
    """Let a box be as narrow as its row wants it, its number still seen: without + and -.

    napari's own style keeps it at 90 pixels.
    """
    box.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.native.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    box.native.setStyleSheet(
        "QAbstractSpinBox { min-width: 2.8em; padding: 1px 3px; }"
        "QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0px; }"
    )
    return box


def _may_be_unknown(box: FloatSpinBox, unit: str, decimals: int) -> FloatSpinBox:
    box.native.setSpecialValueText(UNKNOWN)
    box.native.setSuffix(unit)
    box.native.setDecimals(decimals)
    return box


def _size_box(objective: float, value: float) -> FloatSpinBox:
    box = FloatSpinBox(
        label=f"{objective:g}x", value=value, min=0, max=1000, step=0.01,
        tooltip=f"Side of a pixel of the {objective:g}x photos on the slide in micrometres",
    )  # fmt: skip
    return _may_be_unknown(box, " µm", 4)
