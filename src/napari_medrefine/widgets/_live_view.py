"""What is in view, magnified while one pans: tile by tile, nearest the middle first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image as NapariImage

from napari_medrefine import __version__
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.photos import as_rgb
from napari_medrefine.progress import Step
from napari_medrefine.provenance import KEY as PROVENANCE
from napari_medrefine.provenance import inputs_of
from napari_medrefine.superres.cards import NOT_FOR_DIAGNOSIS
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._generating import title_of
from napari_medrefine.widgets._geometry import Layer, lay, part_place
from napari_medrefine.widgets._layers import KEY, about, check_photo, file_of, note, pixels, shape
from napari_medrefine.widgets._origins import MADE_FROM, place_above, remember
from napari_medrefine.widgets._preferences import load_networks, preferences
from napari_medrefine.widgets._regions import in_view
from napari_medrefine.widgets._still_points import still_points
from napari_medrefine.widgets._tile_store import TileStore

TILE = 512  # pixels of the result a side: half a second on two slow cores
LARGEST = 2560  # pixels of the result a side that are shown at once: uploaded with every tile
KEPT = 2**29  # bytes of tiles
_PATIENCE_S = 0.1

Tile = tuple[int, int]
Colours = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LiveLayer:
    """The layer is missing, and is to be put into the list before the job goes on."""


@dataclass(frozen=True)
class LiveTile:
    """A tile that has been made."""

    place: Tile


@dataclass(frozen=True)
class _View:
    """The tiles that are in view: first and one after the last, of rows and columns."""

    rows: Tile
    cols: Tile

    @property
    def tiles(self) -> list[Tile]:
        """Nearest the middle first."""
        middle = np.array([sum(self.rows) - 1, sum(self.cols) - 1]) / 2
        every = [(row, col) for row in range(*self.rows) for col in range(*self.cols)]
        return sorted(every, key=lambda tile: float(np.abs(np.array(tile) - middle).sum()))


class LiveView:
    """A layer that shows the magnified part in view, and nothing where it is not made yet.

    `look` and `take` belong to the main thread, `steps` to the job's.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or napari.components.ViewerModel
    layer : napari.layers.Image
        What is magnified; of a multiscale layer, its finest level.
    recipe : Recipe
        What to do.
    """

    def __init__(self, viewer: Any, layer: Layer, recipe: Recipe) -> None:
        self.source = layer
        self._viewer, self._recipe = viewer, recipe
        self.layer: Layer | None = None
        self.made = 0
        self._missing = False  # whether the layer is looked for, and not in the list
        self._place: dict[str, Any] = {}
        self._size = recipe.result_shape(shape(layer))
        self._view: _View | None = None
        self._canvas: Colours = np.zeros((1, 1, 4), np.uint8)
        self._kept: OrderedDict[Tile, Colours] = OrderedDict()
        self._lock = threading.Lock()
        self._moved = threading.Event()
        self._contrast, self._gamma = tuple(layer.contrast_limits), float(layer.gamma)
        self._colormap = layer.colormap
        self._provenance: dict[str, Any] | None = None

    def look(self) -> None:
        """Show what is in view now, as far as it has been made, and ask for the rest.

        Raises
        ------
        MedRefineError
            If too much or nothing of the layer is in view.
        """
        check_photo(self.source, "a photo")
        view = self._in_view()
        if view == self._view and self.layer in self._viewer.layers:
            return
        with self._lock:
            self._view = view
        top, left = view.rows[0] * TILE, view.cols[0] * TILE
        height = min(view.rows[1] * TILE, self._size[0]) - top
        width = min(view.cols[1] * TILE, self._size[1]) - left
        self._canvas = np.zeros((height, width, 4), np.uint8)
        for tile in set(view.tiles) & set(self._kept):
            self._paste(tile)
        self._show(top, left)
        self._moved.set()

    def outdated(self, *, replaced: bool) -> None:
        """Look at all anew the next time: the source was moved, or its pixels were replaced."""
        with self._lock:
            self._view = None
            if replaced:
                self._kept = OrderedDict()
                self._size = self._recipe.result_shape(shape(self.source))

    def take(self, made: LiveLayer | LiveTile) -> InTurns:
        """Show the layer, or a tile that has been made, if it is in view."""
        if isinstance(made, LiveLayer):
            yield from self._add()
        else:
            self.made += 1
            self._show_tile(made.place)

    def steps(self) -> Generator[Step | LiveLayer | LiveTile, None, None]:
        """Make the layer and the tiles that are asked for, until closed."""
        yield Step(0, 0, "Loading the network ...")
        yield LiveLayer()
        wanted = preferences()
        load_networks(wanted)
        store = TileStore(Path(wanted.cache_folder)) if wanted.cache_folder.strip() else None
        while True:
            yield from self._tiles(store)

    def _tiles(self, store: TileStore | None) -> Generator[Step | LiveLayer | LiveTile, None, None]:
        """Make the tiles that are asked for, until the source's pixels are replaced."""
        from napari_medrefine.superres.made import provenance_of
        from napari_medrefine.superres.magnified import Magnified

        kept = self._kept
        picture = Magnified(pixels(check_photo(self.source, "a photo")), self._recipe)
        white = picture.told[0].levels.white
        one = inputs_of(
            file_of(self.source), [("windows", picture.fingerprint())], shape=picture.source.shape
        )
        self._provenance = provenance_of(self._recipe, one).as_dict()
        while kept is self._kept:
            if self._missing:
                yield LiveLayer()
            tile, done, total = self._next()
            if tile is None:
                yield Step(done, total, "All in view is magnified; pan or zoom for more.")
                self._moved.wait(_PATIENCE_S)
                self._moved.clear()
                continue
            yield Step(done, total, "Magnifying what is in view ...")
            colours = self._colours(_made(picture, tile, store), white)
            self._keep(kept, tile, colours)  # here: nobody is to ask for it again
            yield LiveTile(tile)

    def _colours(self, part: npt.NDArray[Any], white: float) -> Colours:
        """Return a part of the result as it is shown: grey as the source is shown."""
        if part.ndim == 2:
            low, high = self._contrast
            shown = np.interp(part.ravel(), (low, max(high, low + 1e-9)), (0, 1)) ** self._gamma
            colours = np.asarray(self._colormap.map(shown))[:, :3]
            coloured: Colours = np.rint(255 * colours).astype(np.uint8)
            return coloured.reshape(*part.shape, 3)
        if part.dtype != np.uint8:  # by the picture's white, not by that of the tile
            part = np.rint(np.interp(part, (0, white), (0, 255))).astype(np.uint8)
        return as_rgb(part)

    def _keep(self, kept: OrderedDict[Tile, Colours], tile: Tile, colours: Colours) -> None:
        with self._lock:
            kept[tile] = colours
            while sum(each.nbytes for each in kept.values()) > KEPT:
                kept.popitem(last=False)

    def _next(self) -> tuple[Tile | None, int, int]:
        """Return the next tile to make; how many in view are made, of how many."""
        with self._lock:
            tiles = self._view.tiles if self._view else []
            missing = [tile for tile in tiles if tile not in self._kept]
        return (missing[0] if missing else None), len(tiles) - len(missing), len(tiles)

    def _in_view(self) -> _View:
        region = in_view(self._viewer, self.source)
        spans = []
        for axis, (first, last) in enumerate((region.rows, region.cols)):
            ratio = region.reduction[axis] * self._recipe.scale
            begin, end = first * ratio, min(last * ratio, self._size[axis])
            if end - begin > LARGEST:
                raise MedRefineError(
                    f"Zoom in until at most {LARGEST / self._recipe.scale:.0f} pixels of "
                    f"'{self.source.name}' a side are in view: of more, the screen cannot show "
                    "the detail."
                )
            spans.append((int(begin) // TILE, -(-int(np.ceil(end)) // TILE)))
        return _View(*spans)

    def _paste(self, tile: Tile) -> None:
        assert self._view is not None  # noqa: S101 - for the type checker
        with self._lock:
            colours = self._kept.get(tile)
            if colours is None:  # dropped meanwhile, to make room
                return
            self._kept.move_to_end(tile)
        row = (tile[0] - self._view.rows[0]) * TILE
        col = (tile[1] - self._view.cols[0]) * TILE
        part = self._canvas[row : row + colours.shape[0], col : col + colours.shape[1]]
        part[..., :3], part[..., 3] = colours, 255

    def _show(self, top: int, left: int) -> None:
        zoom = tuple(n / given for n, given in zip(self._size, shape(self.source), strict=True))
        self._place = part_place(self.source, (top / zoom[0], left / zoom[1]), (zoom[0], zoom[1]))
        self._missing = self.layer is None or self.layer not in self._viewer.layers
        if not self._missing:
            with still_points(self._viewer):
                self._lay_out(self.layer)

    def _show_tile(self, tile: Tile) -> None:
        if self._view is None:
            return
        seen = tile in self._view.tiles and tile in self._kept
        if seen:  # also of a layer that is missing: it will show this canvas
            self._paste(tile)
        if self.layer is None or self.layer not in self._viewer.layers:
            return
        if self._provenance and about(self.layer).get(PROVENANCE) != self._provenance:
            note(self.layer, **{PROVENANCE: self._provenance})
        if seen:
            complete = set(self._view.tiles) <= set(self._kept)
            self.layer.refresh(thumbnail=complete, highlight=False, extent=False)

    def _lay_out(self, layer: Layer) -> None:
        """Have the layer be what is in view by now, at its place."""
        if layer.data is not self._canvas:
            layer.data = self._canvas
        lay(layer, self._place)

    def _add(self) -> InTurns:
        if not self._missing:
            return
        layer = NapariImage(
            self._canvas,
            rgb=True,
            name=f"{self.source.name} · {title_of(self._recipe)}, in view",
            blending=self.source.blending,
            metadata={KEY: self._facts()},
            **self._place,
        )
        remember(layer, MADE_FROM, self.source)
        yield
        self._missing = False
        if self.source not in self._viewer.layers:
            return
        self._lay_out(layer)  # one may have panned meanwhile
        self.layer = layer
        yield from add_in_turns(self._viewer, layer, place_above(self._viewer, self.source))

    def _facts(self) -> dict[str, Any]:
        known = {PROVENANCE: self._provenance} if self._provenance else {}
        return known | {
            "made_from": self.source.name,
            **asdict(self._recipe),
            "model": str(self._recipe.model or "shipped"),
            "region": "what was in view",
            "warning": NOT_FOR_DIAGNOSIS,
            "version": __version__,
        }


def _made(picture: Any, tile: Tile, store: TileStore | None) -> Image:
    """Return a tile of a `Magnified` picture: from the store, or made and kept there."""
    top, left = (place * TILE for place in tile)
    height, width = (
        min(start + TILE, n) - start for start, n in zip((top, left), picture.shape, strict=False)
    )
    if store is None:
        made: Image = picture.render(top, left, height, width)
        return made
    key = picture.key(top, left, height, width)
    kept = store.get(key)
    if kept is None:
        kept = picture.render(top, left, height, width)
        store.put(key, kept)
    return kept
