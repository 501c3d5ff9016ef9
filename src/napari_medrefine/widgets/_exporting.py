"""Placements out of napari and into it: the controls, the files, and what the layers say."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, PushButton
from qtpy.QtWidgets import QWidget

from napari_medrefine._names import safe_name
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import sha256_of
from napari_medrefine.io.scene import ScenePhoto, write_scene
from napari_medrefine.progress import Step
from napari_medrefine.registration import Placement
from napari_medrefine.registration.exchange import FORMATS, Side, read_placement, write_placement
from napari_medrefine.registration.exchange.sides import Sides
from napari_medrefine.registration.exchange.table import write_table
from napari_medrefine.widgets._dialogs import ask_folder, ask_save_path
from napari_medrefine.widgets._geometry import Layer, data_to_world, to_micrometres
from napari_medrefine.widgets._layers import LARGEST_PHOTO, file_of, pixel_um, pixels, shape

SCENE, SCENE_ENDING = "ome-zarr", ".ome.zarr"
TITLES = {
    "MedRefine (JSON)": "medrefine",
    "Table of all (CSV)": "csv",
    "ITK, 3D Slicer (tfm)": "itk",
    "QuPath alignment (text)": "qupath",
    "QuPath scripts (JSON)": "qupath-json",
    "napari clipboard (JSON)": "napari",
    "OME-Zarr scene, with photos": SCENE,
}
READ = "Placements (*.json *.tfm *.txt);;All files (*)"


@dataclass(frozen=True)
class Item:
    """A placement to export: what its file is called, and its photos."""

    name: str
    placement: Placement
    sides: Sides
    photos: Callable[[], tuple[ScenePhoto, ScenePhoto]]


class Exporting:
    """Choose a format and a file for placements, and write them.

    Parameters
    ----------
    items : callable
        Returns what is to be exported, or raises a `MedRefineError`.
    job : JobPanel
        Says what came of it, and writes scenes.
    """

    def __init__(self, items: Callable[[], Sequence[Item]], job: Any) -> None:
        self._items, self._job = items, job
        self.parent: Callable[[], QWidget | None] = lambda: None
        self.format = ComboBox(
            choices=list(TITLES),
            value=next(iter(TITLES)),
            tooltip="The program that is to read the placements",
        )
        self.button = PushButton(
            text="Export…", tooltip="Write where the fields lie to a file, or a file for each"
        )
        self.button.changed.connect(self.export)

    def export(self) -> None:
        """Ask where to, and write; nothing that is there is replaced without being asked."""
        try:
            items = self._items()
            target = self._ask(items)
            if target is None:
                return
            if TITLES[self.format.value] == SCENE:
                self._write_scene(items, target)
            else:
                self._job.say(write(items, target, TITLES[self.format.value]))
        except MedRefineError as error:
            self._job.say(str(error), problem=True)

    def _ask(self, items: Sequence[Item]) -> Path | None:
        chosen = TITLES[self.format.value]
        if len(items) > 1 and chosen not in ("csv", SCENE):
            return ask_folder(self.parent(), "Folder for the placements")
        ending = SCENE_ENDING if chosen == SCENE else FORMATS[chosen].ending
        suggested = f"{items[0].name}{_shown_ending(chosen)}" if len(items) == 1 else "all" + ending
        kinds = f"{self.format.value} (*{ending})"
        return ask_save_path(self.parent(), "Export placements", suggested, kinds)

    def _write_scene(self, items: Sequence[Item], target: Path) -> None:
        path = _ended(target, SCENE_ENDING)
        if path.exists():
            raise MedRefineError(f"{path} is already there; choose another name.")
        self._job.run(
            partial(_scene_steps, items, path),
            on_done=lambda lost: self._job.say(f"The scene is in {path}. {lost}".rstrip()),
        )


def _scene_steps(items: Sequence[Item], path: Path) -> Generator[Step, None, str]:
    overviews = {id(item.sides.overview): item for item in items}
    if len({item.sides.overview.name for item in overviews.values()}) > 1:
        raise MedRefineError("A scene has one overview; export the fields of each by themselves.")
    yield Step(0, 1, "Reading the photos ...")
    photos = [item.photos() for item in items]
    fields = [(field, item.placement) for (_, field), item in zip(photos, items, strict=True)]
    return (yield from write_scene(path, photos[0][0], fields))


def write(items: Sequence[Item], target: Path, chosen: str) -> str:
    """Write placements to the file `target`, or each into the folder `target`; say what was lost.

    Raises
    ------
    MedRefineError
        If a file that nobody was asked about is there already, or cannot be written.
    """
    if chosen == "csv":
        path = _ended(target, ".csv")
        write_table(path, [(item.placement, item.sides) for item in items])
        return f"{len(items)} placements are in {path}"
    if len(items) == 1:
        path = _ended(target, FORMATS[chosen].ending)
        return f"The placement is in {path}. {_write(items[0], path, chosen)}".rstrip()
    paths = [target / f"{item.name}{_shown_ending(chosen)}" for item in items]
    for path in paths:
        if path.exists():
            raise MedRefineError(f"{path} is already there; choose another folder.")
    lost = [_write(item, path, chosen) for item, path in zip(items, paths, strict=True)]
    said = " ".join(f"{i.name}: {one}" for i, one in zip(items, lost, strict=True) if one)
    return f"{len(items)} placements are in {target}. {said}".rstrip()


def _write(item: Item, path: Path, chosen: str) -> str:
    sides = item.sides
    return write_placement(path, item.placement, chosen, field=sides.field, overview=sides.overview)


def _shown_ending(chosen: str) -> str:
    if chosen == SCENE:
        return SCENE_ENDING
    return ".placement.json" if chosen == "medrefine" else FORMATS[chosen].ending


def _ended(path: Path, ending: str) -> Path:
    """Return `path` with `ending`; one that nobody was asked about must not be there."""
    if path.name.lower().endswith(ending):
        return path
    ended = path.with_name(path.name + ending)
    if ended.exists():
        raise MedRefineError(
            f"{ended} is already there; to replace it, save under just that name, {ended.name}."
        )
    return ended


def item_of(overview: Layer, field: Layer, placement: Placement) -> Item:
    """Return what is to be exported of a field that lies on `overview`."""
    sides = Sides(side_of(field), side_of(overview))
    return Item(
        safe_name(field.name, "field"),
        placement,
        sides if sides.measured else sides.in_pixels(),
        lambda: (_photo(overview), _photo(field)),
    )


def side_of(layer: Layer) -> Side:
    """Return what a layer says of its photo."""
    factors = to_micrometres(layer)
    microns = None if factors is None else np.abs(np.asarray(layer.scale)[-2:]) * factors
    return Side(
        name=file_of(layer),
        pixel_um=None if microns is None else (float(microns[0]), float(microns[1])),
        shape=shape(layer),
        to_world=np.diag([*(factors or (1.0, 1.0)), 1.0]) @ data_to_world(layer),
    )


def _photo(layer: Layer) -> ScenePhoto:
    return ScenePhoto(file_of(layer), pixels(layer), pixel_um(layer))


def take_over(path: Path, overview: Layer, field: Layer) -> Placement:
    """Read a placement of `field` on `overview` that was made elsewhere, or here before.

    Raises
    ------
    MedRefineError
        If it cannot be read, or was made for photos of another size.
    """
    sides = Sides(side_of(field), side_of(overview))
    chosen = _format_of(path)
    place = read_placement(path, chosen, field=sides.field, overview=sides.overview)
    for layer, made_for in ((field, place.field_shape), (overview, place.overview_shape)):
        if tuple(made_for) != shape(layer):
            raise MedRefineError(
                f"{path.name} was made for a photo of {made_for[1]} x {made_for[0]} pixels, and "
                f"'{layer.name}' has {shape(layer)[1]} x {shape(layer)[0]}."
            )
    return place


def _format_of(path: Path) -> str | None:
    """Return the format of a text that was saved under any name."""
    plain = path.name.lower().endswith(".txt") and not path.name.lower().endswith(".qupath.txt")
    return "qupath" if plain else None


def other_pixels(place: Placement, overview: Layer, field: Layer) -> list[str]:
    """Return the names of those layers whose pixels are not those that `place` was made from."""
    pairs = ((field, place.field_sha256), (overview, place.overview_sha256))
    return [
        layer.name
        for layer, noted in pairs
        if noted and np.prod(shape(layer)) < LARGEST_PHOTO and _hash(layer) != noted
    ]


def _hash(layer: Layer) -> str:
    return sha256_of(np.asarray(pixels(layer)))
