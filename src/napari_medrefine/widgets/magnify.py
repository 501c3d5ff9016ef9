"""The *Magnify & sharpen* widget: what lies between the photos, as one more layer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from napari.layers import Image as NapariImage
from qtpy.QtCore import QTimer

from napari_medrefine._names import safe_name
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step
from napari_medrefine.superres.planes import Stack
from napari_medrefine.superres.recipe import Recipe
from napari_medrefine.widgets._adding import InTurns, add_in_turns
from napari_medrefine.widgets._dialogs import ask_save_path
from napari_medrefine.widgets._generating import (
    check_memory,
    done_by,
    generate_steps,
    in_pieces,
    size_of,
)
from napari_medrefine.widgets._geometry import TRANSFORMS, Layer, lay, same_place
from napari_medrefine.widgets._layers import (
    check_photo,
    check_stack,
    images,
    is_derived,
    likely_overview,
    shape,
)
from napari_medrefine.widgets._live_view import LiveView
from napari_medrefine.widgets._magnify_controls import (
    DISK,
    FOLLOW,
    VIEW,
    MagnifyControls,
)
from napari_medrefine.widgets._origins import MADE_FROM, place_above, remember
from napari_medrefine.widgets._placing import Made
from napari_medrefine.widgets._regions import Region
from napari_medrefine.widgets._source import read_steps
from napari_medrefine.widgets._to_disk import SUFFIX, DiskView, check_for_disk
from napari_medrefine.widgets._trusting import (
    TOGETHER,
    Trusted,
    check_trust,
    trust_steps,
)

REST_MS = 60  # how long the view has to rest before it is looked at


class MagnifyWidget(MagnifyControls):
    """Magnify or sharpen a layer, or a part of it, with the SR-GAN.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer or napari.components.ViewerModel
        The viewer whose layers are magnified.
    """

    def __init__(self, napari_viewer: Any) -> None:
        self._chosen_by_user = False
        self._generated: Layer | None = None  # by the job that runs, or ran last
        self._said = ""  # of what that job added
        self._large = ""  # and how large that is
        self._read: Any = None  # what its layer showed when it began
        self._live: LiveView | None = None
        super().__init__(napari_viewer)
        self._looking = QTimer(self.native)
        self._looking.setSingleShot(True)
        self._looking.setInterval(REST_MS)
        self._looking.timeout.connect(self._look)
        self._connect()
        self.reset_choices()

    def _connect(self) -> None:
        self.layer.changed.connect(self._layer_chosen)
        self.job.start.changed.connect(self.generate)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            event.connect(self.reset_choices)
        events.connect(self._layer_changed)
        camera = self._viewer.scene.camera.events
        for event in (camera.zoom, camera.center):
            event.connect(self._view_moved)

    def reset_choices(self, *_: Any) -> None:
        """Follow the viewer's layers; choose a likely one until the user has chosen."""
        if not self._initialized or not self.job.alive:
            return
        if self._live is not None and self._live.source not in self._viewer.layers:
            self.job.stop()
        self.layer.reset_choices()
        self.rectangles.reset_choices()
        if not self._chosen_by_user:
            photos = [layer for layer in images(self._viewer) if not is_derived(layer)]
            overview = likely_overview(photos)
            with self.layer.changed.blocked():
                self.layer.choose([overview] if overview is not None else [])
        self._layer_seen()

    def generate(self) -> None:
        """Magnify or sharpen what is chosen, and add the result as a layer."""
        if self.job.running:
            return
        recipe, trust = self.recipe, self.trust.value
        if self.region.value == FOLLOW:
            self.follow()
            return
        if self.region.value == DISK:
            self.write()
            return
        try:
            layer = check_stack(self.layer.value, "a photo")
            region = self.chosen_region(layer)
            self.model.check(recipe.task)
            check_memory(layer, region, recipe, trust=trust)
            if trust:
                check_trust(recipe, layer)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._generated, self._said = None, ""
        self._large, self._read = size_of(region, recipe), layer.data
        self.job.run(
            lambda: _steps(layer, region, recipe, trust=trust),
            on_item=self._add,
            on_done=lambda _: self.job.say(self._said, problem=self._generated is None),
            on_end=self._forget_read,
        )

    def follow(self) -> None:
        """Magnify what is in view, wherever it goes, until Cancel."""
        try:
            layer = check_photo(self.layer.value, "a photo")
            self.model.check(self.recipe.task)
            live = LiveView(self._viewer, layer, self.recipe)
            live.look()
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        self._live = live
        self.job.run(
            live.steps,
            on_item=live.take,
            on_done=lambda _: None,
            on_stop=lambda: self.job.say(f"Stopped following the view; {live.made} tiles made."),
            on_end=self._unfollow,
        )

    def write(self) -> None:
        """Magnify the whole layer into a file that is asked for."""
        try:
            layer = check_for_disk(self.layer.value)
            self.model.check(self.recipe.task)
        except MedRefineError as error:
            self.job.say(str(error), problem=True)
            return
        name = safe_name(f"{layer.name} {done_by(self.recipe)}{SUFFIX}")
        path = ask_save_path(self.native, "Magnify to", name, f"OME-Zarr (*{SUFFIX} *.zarr)")
        if path is None:
            return
        disk = DiskView(self._viewer, layer, self.recipe, path)
        self.job.run(
            disk.steps,
            on_item=disk.take,
            on_done=lambda picture: self.job.say(disk.finish(picture)),
            on_stop=lambda: self.job.say(disk.stopped()),
            on_end=disk.over,
        )

    def _unfollow(self) -> None:
        self._live = None

    def _forget_read(self) -> None:
        self._read = None  # its layer may be gone, and it large

    def _add(self, item: tuple[Made, Image | list[Image]]) -> InTurns:
        (made, data), layers = item, self._viewer.layers
        added = NapariImage(data, multiscale=isinstance(data, list), **made.options)
        yield
        trust = isinstance(made, Trusted)
        below = self._generated if trust else made.of[0]
        if below is None:  # what it is the trust of was not shown, and that was said
            return
        changed = shape(below) != made.image.shape[:2] if trust else below.data is not self._read
        if below not in layers or changed:
            what, self._generated = "its trust map" if trust else "the result", None
            how = "removed" if below not in layers else "changed"
            self._said = f"'{below.name}' was {how} meanwhile; {what} is not shown."
            return
        if trust:  # it may have been moved meanwhile
            lay(added, same_place(below))
        remember(added, MADE_FROM, made.of[0])
        yield from add_in_turns(self._viewer, added, place_above(self._viewer, below))
        if trust:
            layers.link_layers([below, added], TOGETHER)
            largest = added.contrast_limits[1]
            self._said += (
                f" The trust map above it, from 0 to {largest:.0f} grey levels of 255, is bright "
                "where the picture may be wrong."
            )
            return
        self._generated = added
        self._said = f"Added '{added.name}', {self._large}."

    def _layer_chosen(self) -> None:
        self._chosen_by_user = True
        self._layer_seen()

    def _layer_changed(self, event: Any) -> None:
        """Look anew at a layer that is followed, once it lies elsewhere or has other pixels."""
        live = self._live
        if live is None or not self.job.alive or event.type not in (*TRANSFORMS, "data"):
            return
        if event.source[event.index] is live.source:  # the list itself: ours may be napari's proxy
            live.outdated(replaced=event.type == "data")
            self._looking.start()

    def _view_moved(self) -> None:
        if not self.job.alive:
            return
        if self._live is not None:
            self._looking.start()
        elif self.region.value in (VIEW, FOLLOW):
            self._tell_size()

    def _look(self) -> None:
        """Follow the view, now that it rests."""
        if self._live is None:
            return
        try:
            self._live.look()
        except MedRefineError as error:
            self.size.value = str(error)
        else:
            self.size.value = ""


def _steps(
    layer: Layer, region: Region, recipe: Recipe, *, trust: bool
) -> Generator[Step | tuple[Made, Image | list[Image]], None, None]:
    """Make the picture, then say how far to trust it; what is made is shown at once."""
    source = yield from read_steps(layer, region)
    made = yield from generate_steps(source, layer, region, recipe)
    yield made, in_pieces(made.image, region.axes, region.count)
    if trust and not isinstance(source.image, Stack):
        errors = yield from trust_steps(made, source.image, recipe)
        yield errors, in_pieces(errors.image)
