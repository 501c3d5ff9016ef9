"""Which network to run: the shipped one, or one of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from magicgui.widgets import ComboBox, Container, FloatSlider, FloatSpinBox, PushButton
from napari.utils.notifications import show_warning

from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.cards import Task
from napari_medrefine.superres.model_files import PHOTOS, Seen, look_at, weights_in
from napari_medrefine.superres.run_folder import FAITHFUL
from napari_medrefine.widgets._dialogs import ask_weights
from napari_medrefine.widgets._geometry import Layer
from napari_medrefine.widgets._layers import is_photographed
from napari_medrefine.widgets._panel import row

SHIPPED = "shipped"
FOR_PHOTOS = "For photos"
OTHER = 0.0  # a scale that is not among the choices
DOES = {"magnify": "magnify", "sharpen": "sharpen, same size"}


class ModelShelf:
    """The weight files used or browsed to in one viewer, and the choosers that offer them."""

    def __init__(self) -> None:
        self.files = {PHOTOS: Seen("magnify")}  # of each, what it is for
        self.used: Path | None = None  # what was chosen last; None: what ships
        self.chosen = False  # by the user; until then it goes by the layer
        self.choosers: WeakSet[ModelChoice] = WeakSet()

    def add(self, path: Path) -> Path:
        """Offer a weight file, or the weights of a run's folder; return the file.

        Raises
        ------
        MedRefineError
            If it is damaged, or holds no weights.
        """
        file = weights_in(path).absolute()
        self.files[file] = look_at(file)
        for chooser in self.choosers:
            chooser.refresh()
        return file

    def use(self, path: Path) -> Path:
        """Offer weights and choose them everywhere.

        Raises
        ------
        MedRefineError
            As `add`.
        """
        self.used, self.chosen = self.add(path), True
        for chooser in self.choosers:
            chooser.model.value = self.used
        return self.used

    def name_of(self, file: Path) -> str:
        """Return what a weight file is called in the choosers."""
        return FOR_PHOTOS if file == PHOTOS else _name(file, list(self.files))


_SHELVES: WeakKeyDictionary[Any, ModelShelf] = WeakKeyDictionary()


def shelf_of(viewer: Any) -> ModelShelf:
    """Return the models of a viewer; napari hands the same one out in different wrappings."""
    return _SHELVES.setdefault(getattr(viewer, "__wrapped__", viewer), ModelShelf())


class ModelChoice:
    """A chooser of models with a button to browse for more; `widget` is what to show."""

    def __init__(self, viewer: Any) -> None:
        self._shelf = shelf_of(viewer)
        self._realism = 0.0  # as it was before a model without was chosen
        self.model = ComboBox(
            choices=[("Shipped", SHIPPED)],
            tooltip="The network. For photos: where the objective blurs about a pixel, as a "
            "4x/0.10 does at 1.25 um; chosen by itself for photos that tell their objective. "
            "Shipped: for scans and images made smaller. Or weights of your own from the Train "
            "widget, or a super-resolution network of others",
        )
        self.browse = PushButton(
            text="Browse…",
            tooltip="Choose a weight file: .safetensors, such as a run's 'best'; or one of others "
            "(ESRGAN, SwinIR, SPAN ...), also .pth, .pt, .ckpt",
        )
        self.widget: Container = row(
            self.model, self.browse, label="Model", tooltip="Which network runs"
        )
        self.browse.changed.connect(self._browse)
        self._shelf.choosers.add(self)
        self.refresh()
        if self._shelf.used is not None:
            self.model.value = self._shelf.used
        self.model.changed.connect(self._chosen)

    @property
    def file(self) -> Path | None:
        """The chosen weight file; None: what ships."""
        return None if self.model.value == SHIPPED else self.model.value

    def refresh(self) -> None:
        """Offer what is on the shelf now, keeping what was chosen."""
        chosen = self.model.value
        named = [(self._shelf.name_of(file), file) for file in self._shelf.files]
        with self.model.changed.blocked():
            self.model.choices = [("Shipped", SHIPPED), *named]
            self.model.value = chosen

    def suggest(self, layer: Layer | None, task: Task) -> None:
        """Take the network for photos where one is magnified, until the user has chosen one."""
        if self._shelf.chosen:
            return
        photographed = task == "magnify" and layer is not None and is_photographed(layer)
        with self.model.changed.blocked():
            self.model.value = PHOTOS if photographed else SHIPPED

    @property
    def task(self) -> Task | None:
        """What the chosen model is for; None: both, as the shipped ones, or not known yet."""
        return self.seen.task

    @property
    def seen(self) -> Seen:
        """What is known of the chosen model."""
        return Seen(None) if self.file is None else self._shelf.files[self.file]

    def check(self, task: Task) -> None:
        """Refuse a model that was trained for another task.

        Raises
        ------
        MedRefineError
            Saying what to choose instead.
        """
        own = self.task
        if own not in (None, task):
            raise MedRefineError(
                f"The model '{self.model.current_choice}' was trained to {own}: choose the task "
                f"'{DOES[own]}', or another model."
            )

    def suit(
        self, task: ComboBox, scale: ComboBox, other_scale: FloatSpinBox, realism: FloatSlider
    ) -> None:
        """Set what is to be done to what the chosen model does.

        Networks of others have one scale, and no two kinds of weights between which realism goes.
        """
        seen = self.seen
        task.value = seen.task or task.value
        if seen.foreign and seen.task == "magnify":
            known = seen.scale in scale.choices
            scale.value = float(seen.scale or 0) if known else OTHER
            other_scale.value = other_scale.value if known else seen.scale
        if seen.foreign == realism.enabled:
            self._realism, realism.value = realism.value, 0 if seen.foreign else self._realism
            realism.enabled = not seen.foreign

    def _chosen(self) -> None:
        self._shelf.used, self._shelf.chosen = self.file, True

    def _browse(self) -> None:
        path = ask_weights(self.widget.native)
        if path is None:
            return
        try:
            self.model.value = self._shelf.add(path)
        except MedRefineError as error:
            show_warning(str(error))


def _name(file: Path, files: list[Path]) -> str:
    """Return a short name, of a run its folder's, with more of the path where two are alike."""
    own, others = _named(file), [_named(other) for other in files if other != file]
    for length in range(1, len(own)):
        if own[-length:] not in [other[-length:] for other in others]:
            return "/".join(own[-length:])
    return str(file)


def _named(file: Path) -> tuple[str, ...]:
    return (file.parent if file.name == FAITHFUL else file.with_suffix("")).parts
