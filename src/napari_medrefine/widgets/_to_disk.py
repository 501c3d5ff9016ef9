"""A whole layer, magnified into an OME-Zarr pyramid on disk, and shown while that fills."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
import zarr
from napari.layers import Image

from napari_medrefine._paths import check_no_input
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io.ome_zarr import part_of, write_ome_zarr
from napari_medrefine.io.pyramid_writer import TILE
from napari_medrefine.io.zarr_pyramid import ZarrPyramid
from napari_medrefine.progress import Step
from napari_medrefine.provenance import inputs_of
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._dask_scheduler import load_scheduler
from napari_medrefine.widgets._disk_level import photo_level
from napari_medrefine.widgets._filling import Filling
from napari_medrefine.widgets._generating import looks, title_of
from napari_medrefine.widgets._geometry import Layer, data_to_world, lay, part_place
from napari_medrefine.widgets._layers import (
    KEY,
    check_stack,
    file_of,
    note,
    picture_axes,
    pixel_um,
    pixels,
    shape,
)
from napari_medrefine.widgets._looked_at import LookedAt
from napari_medrefine.widgets._origins import MADE_FROM, place_above, remember
from napari_medrefine.widgets._preferences import Preferences, load_networks, preferences
from napari_medrefine.widgets._regions import whole
from napari_medrefine.widgets._still_points import still_points

if TYPE_CHECKING:
    from napari_medrefine.superres.magnified import Magnified

SUFFIX = ".ome.zarr"
MOST_PLANES = 64  # a chunk on disk holds them all
BLOCK_BYTES = 2**28
_OFTEN_S = 1.0  # between two looks at what is on disk


@dataclass(frozen=True)
class OnDisk:
    """A picture on disk, complete or filling, and how napari is to show it.

    Attributes
    ----------
    folder : Path
    levels : list of arrays
        ``(H, W)`` or ``(H, W, colours)``, those on disk read when they are shown; of a stack as its
        layer.
    options : dict
        For `add_image`.
    """

    folder: Path
    levels: list[Any]
    options: dict[str, Any]

    @classmethod
    def at(
        cls,
        folder: Path,
        options: dict[str, Any],
        planes: int | None,
        filling: Filling | None = None,
    ) -> OnDisk:
        """Open the levels in `folder`: slow for a graphical interface.

        `planes` is the axis of a stack that numbers them; the levels of a photo are `LookedAt`.
        While it fills, the coarse ones are those of `filling`, and of colours what is black is
        transparent: there the source is seen until it is made.
        """
        coarse = [] if filling is None else filling.levels()
        arrays = _arrays(folder, coarse=len(coarse))
        if planes is not None:
            levels = [da.moveaxis(da.from_zarr(array), 0, planes) for array in arrays]
            return cls(folder, levels + [np.moveaxis(one, -1, planes) for one in coarse], options)
        seen = [one[..., 0] if one.shape[-1] == 1 else one for one in coarse]
        fine = [photo_level(array, folder, whole=filling is None) for array in arrays]
        return cls(folder, [*map(LookedAt, fine), *map(LookedAt, seen)], options)

    def look_again(self) -> None:
        """Read again what is looked at, so that the window need not; for the job's thread."""
        for level in self.levels:
            if isinstance(level, LookedAt):
                level.look_again()

    def completed(self, folder: Path) -> OnDisk:
        """Have the levels of a photo be what lies in `folder`, complete; for the job's thread."""
        for level, array in zip(self.levels, _arrays(folder), strict=True):
            level.become(photo_level(array, folder, whole=True))
        return replace(self, folder=folder)


class DiskView:
    """A layer that shows what has been written of a magnified one.

    `take` and `finish` belong to the main thread, `steps` to the job's.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    layer : napari.layers.Image
        What is magnified; of a multiscale layer, its finest level.
    recipe : Recipe
        What to do.
    path : Path
        The OME-Zarr folder to make.
    """

    def __init__(self, viewer: Any, layer: Layer, recipe: Recipe, path: Path) -> None:
        self._viewer, self._source, self._recipe, self._path = viewer, layer, recipe, path
        self.layer: Layer | None = None
        self._read, self._below = layer.data, _where(layer)

    def stopped(self) -> str:
        """Show all that was made until the job was stopped; return what to say."""
        self.over()
        self._refresh()
        kept = part_of(self._path).name
        return f"Stopped. What is made is kept in {kept}: magnify to the same file to go on."

    def over(self) -> None:
        """Have the layer read the disk from now on, since no job does."""
        for level in [] if self.layer is None else self.layer.data:
            if isinstance(level, LookedAt):
                level.forget()

    def take(self, picture: OnDisk) -> InTurns:
        """Show what is on disk so far."""
        if self.layer is None:
            yield from self._add(picture)
        else:
            self._refresh()

    def _add(self, picture: OnDisk) -> InTurns:
        with _reading_here():
            self.layer = layer = Image(picture.levels, **picture.options)
        self._follow()
        remember(layer, MADE_FROM, self._source)
        yield
        place = None
        if self._source in self._viewer.layers:
            place = place_above(self._viewer, self._source)
        turns = add_in_turns(self._viewer, layer, place)
        while True:
            with _reading_here():
                if next(turns, self) is self:
                    return
            yield

    def _refresh(self) -> None:
        if self.layer is not None and self.layer in self._viewer.layers:
            self._follow()
            with _reading_here():
                self.layer.refresh(highlight=False, extent=False)

    def _follow(self) -> None:
        """Lay what is shown where its source lies by now: it may be registered meanwhile."""
        below = _where(self._source)
        if self._replaced or below == self._below or self.layer is None:
            return
        self._below = below
        with still_points(self._viewer):
            lay(self.layer, _place(self._source, self._recipe))

    @property
    def _replaced(self) -> bool:
        """Whether the source shows something else by now than what is magnified."""
        return self._source.data is not self._read

    def finish(self, picture: OnDisk) -> str:
        """Show what is complete, in its final place; return what to say."""
        if self.layer is not None and self.layer in self._viewer.layers:
            if isinstance(picture.levels[0], LookedAt):  # those that it shows already
                self._refresh()
            else:
                self._follow()
                self.layer.data = picture.levels
            note(self.layer, saved_as=str(picture.folder.absolute()))  # for the session
        before = f", of what '{self._source.name}' showed before it was replaced"
        return f"Wrote {picture.folder}{before if self._replaced else ''}."

    def steps(self) -> Generator[Step | OnDisk, None, OnDisk]:
        """Magnify all of the layer; yield a `Step`, and what is there, per block.

        Stopped or killed, the same again goes on where it was.
        """
        read = self._source.source.path
        check_no_input(self._path, [Path(read) if read else None])
        yield Step(0, 0, "Loading the network ...")
        wanted = preferences()
        load_networks(wanted)
        from napari_medrefine.superres.magnified import Magnified

        planes = plane_axis(self._source)
        if planes is not None:
            load_scheduler()
        kind: dict[str, Any] = {} if planes is None else {"rgb": False}
        picture = Magnified(_colours_last(self._source), self._recipe, **kind)
        facts = _facts(self._source, self._recipe, picture)
        options = _options(self._source, self._recipe, facts)
        filling, block = Filling(picture, colours=planes is None), _block(picture, wanted.tile)
        job = self._writing(filling, facts, block, wanted)
        try:
            part, there, due = part_of(self._path), None, 0.0
            for step in job:
                yield step
                if part.is_dir() and time.monotonic() > due:
                    if there is None:
                        filling.catch_up(ZarrPyramid(part, picture.shape, block))
                        there = OnDisk.at(part, options, planes, filling)
                    there.look_again()
                    yield there
                    due = time.monotonic() + _OFTEN_S
        finally:
            job.close()
        if there is None or planes is not None:
            return OnDisk.at(self._path, options, planes)
        return there.completed(self._path)

    def _writing(
        self, filling: Filling, facts: dict[str, Any], block: int, wanted: Preferences
    ) -> Generator[Step, None, Path]:
        """Return the job that writes what `filling` makes, block by block."""
        size = pixel_um(self._source, picture_axes(self._source))
        sides = [
            (size or 0.0) * before / now
            for before, now in zip(shape(self._source), filling.shape, strict=False)
        ]
        numbered = plane_axis(self._source) is not None
        return write_ome_zarr(
            self._path,
            filling,
            pixel_um=(sides[0], sides[1]) if size else None,
            origin=((sides[0] - size) / 2, (sides[1] - size) / 2) if size else (0.0, 0.0),
            name=self._source.name,
            facts=facts,
            resume=True,
            block=block,
            version=wanted.ome_zarr,
            at_once=wanted.cores,
            channels=[f"{n + 1}" for n in range(filling.shape[2])] if numbered else None,
        )


def _arrays(folder: Path, coarse: int = 0) -> list[Any]:
    """Return the levels in `folder`, without so many `coarse` ones."""
    found = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    return [
        zarr.open_array(folder / str(level), mode="r") for level in found[: len(found) - coarse]
    ]


def check_for_disk(layer: Layer) -> Layer:
    """Return `layer` if its magnification can be written: a photo, or one axis of grey planes.

    Raises
    ------
    MedRefineError
        If not.
    """
    count = np.prod([1, *(n for _, n in whole(check_stack(layer, "a photo")).planes.values())])
    if layer.ndim > 3 or (layer.ndim == 3 and layer.rgb) or count > MOST_PLANES:
        raise MedRefineError(
            f"'{layer.name}' has shape {tuple(pixels(layer).shape)}: to disk goes a photo or one "
            f"axis of up to {MOST_PLANES} grey planes; choose the whole layer, or right-click it "
            "in the layer list, choose 'Split Stack', and then one of its planes."
        )
    return layer


def _reading_here() -> AbstractContextManager[object]:
    """Read in this thread: others would wait for the one that magnifies, again and again."""
    context: AbstractContextManager[object] = dask.config.set(scheduler="synchronous")
    return context


def plane_axis(layer: Layer) -> int | None:
    """Return the axis of a layer that numbers its planes, stored as channels; None of a photo."""
    return next(iter(whole(layer).planes), None)


def _colours_last(layer: Layer) -> Any:
    """Return the pixels of a layer as `Magnified` takes them: channels as the last axis."""
    data, planes = pixels(layer), plane_axis(layer)
    if planes is None or planes == 2:
        return data
    if isinstance(data, np.ndarray):
        return np.moveaxis(data, planes, -1)
    return da.moveaxis(data if isinstance(data, da.Array) else da.from_array(data), planes, -1)


def _block(picture: Magnified, tile: int) -> int:
    """Return the side of what is made at once: of many planes less, or memory would not do."""
    planes = picture.shape[2] if len(picture.shape) == 3 else 1
    most = int(np.sqrt(BLOCK_BYTES / (planes * picture.dtype.itemsize)))
    return max(TILE, min(tile, most) // TILE * TILE)


def _facts(layer: Layer, recipe: Recipe, picture: Magnified) -> dict[str, Any]:
    from napari_medrefine.superres.made import made_facts

    fingerprint = picture.fingerprint()
    inputs = inputs_of(
        file_of(layer), [("windows", fingerprint)], shape=tuple(picture.source.shape)
    )
    return made_facts(recipe, layer.name, inputs) | {
        "made_from_file": str(layer.source.path) if layer.source.path else None,
    }


def _where(layer: Layer) -> tuple[Any, ...]:
    """Return where a layer lies, to compare."""
    return data_to_world(layer).tolist(), tuple(layer.units)


def _place(layer: Layer, recipe: Recipe) -> dict[str, Any]:
    """Return what lays the result on all of the layer."""
    sides = shape(layer)
    rows, cols = (n / given for n, given in zip(recipe.result_shape(sides), sides, strict=True))
    region = whole(layer)
    zoom = region.along((rows, cols), dict.fromkeys(region.planes, 1.0))
    return part_place(layer, [0.0] * layer.ndim, zoom)


def _options(layer: Layer, recipe: Recipe, facts: dict[str, Any]) -> dict[str, Any]:
    options = {
        **_place(layer, recipe),
        "name": f"{layer.name} · {title_of(recipe)}",
        "rgb": bool(layer.rgb),
        "multiscale": True,
        "metadata": {KEY: facts},
        "cache": False,  # what is not there yet must not be remembered as black
    }
    return options | looks(layer)
