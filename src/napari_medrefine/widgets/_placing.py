"""Registering as a job on arrays, and putting what it found onto napari layers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_medrefine import registration
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import colours_of
from napari_medrefine.progress import Step, retold
from napari_medrefine.registration import Placement
from napari_medrefine.registration.overlay import Overlay, difference
from napari_medrefine.registration.trace import Trace, Walk
from napari_medrefine.widgets._geometry import (
    Layer,
    checked_factors,
    is_plain,
    part_place,
    registered_affine,
    same_place,
)
from napari_medrefine.widgets._layers import (
    KEY,
    about,
    all_pixels,
    check_photo,
    file_of,
    note,
    pixels,
    shape,
    show,
)
from napari_medrefine.widgets._origins import OVERVIEW, is_origin, remember

Ratio = float | tuple[float, float] | None
PARTS = 1000  # progress units per field
_ALIKE = 1.2  # how far the ratios of fields through the same objective may differ
GAIN = 4.0  # a difference is small where a registration is right


@dataclass(frozen=True)
class Task:
    """A field to register: its layer, and what is known of its magnification."""

    layer: Layer
    ratio: Ratio


@dataclass(frozen=True)
class Known:
    """Where a field lies, and the layer of its overview."""

    overview: Layer
    placement: Placement
    walks: Sequence[Walk] = ()


@dataclass(frozen=True)
class Found:
    """What came of a field: where it lies, or why it could not be looked for.

    `searched` holds each layer with the data that the search read of it.
    """

    layer: Layer
    placement: Placement | None
    problem: str = ""
    walks: Sequence[Walk] = ()
    searched: Sequence[tuple[Layer, Any]] = ()

    def replaced(self) -> list[Layer]:
        """Return the layers that show something else by now than what was searched."""
        return [x for x, data in self.searched if x.data is not data or x.ndim != 2]


def register_steps(
    overview: Layer,
    tasks: Sequence[Task],
    angle: tuple[float, float] | None,
    method: Literal["pyramid", "spiral"],
) -> Generator[Step | Found, None, None]:
    """Register every field on the overview; a field that cannot be is reported, not fatal."""
    total = PARTS * len(tasks)
    yield Step(0, total, f"Preparing '{overview.name}' ...")
    below = (overview, overview.data)  # taken first: what is replaced from here on is noticed
    prepared = registration.Overview(all_pixels(overview))
    for k, task in enumerate(tasks):
        name = task.layer.name
        yield Step(k * PARTS, total, f"Reading '{name}' ...")
        try:
            trace = Trace()
            searched = (below, (task.layer, task.layer.data))
            image = np.asarray(pixels(task.layer))
            job = prepared.register_steps(
                image, ratio=task.ratio, angle=angle, method=method, trace=trace
            )
            found = yield from retold(job, partial(_within, k=k, total=total, name=name))
            placement = replace(
                found, field_name=file_of(task.layer), overview_name=file_of(overview)
            )
            middle = (np.array(image.shape[:2]) - 1) / 2
            yield Found(task.layer, placement, walks=trace.walked(middle), searched=searched)
        except MedRefineError as error:
            yield Found(task.layer, None, str(error))


def _within(step: Step, k: int, total: int, name: str) -> Step:
    """Return one field's step as part of the whole job's."""
    done = k * PARTS + PARTS * step.done // max(step.total, 1)
    return Step(min(done, (k + 1) * PARTS), total, f"{name}: {step.text}")


def check_units(overview: Layer, field: Layer) -> None:
    """Refuse two layers whose units measure different things, seconds and micrometres.

    Plain pixels are what napari assumes when told nothing: they go with everything.
    """
    if not (is_plain(overview) or is_plain(field)):
        checked_factors(overview, field)


def check_shape(layer: Layer, found_on: tuple[int, int]) -> None:
    """Refuse a layer that is no photo of the shape any more on which a placement was found."""
    if shape(check_photo(layer, "a photo")) != tuple(found_on):
        raise MedRefineError(
            f"'{layer.name}' shows a photo of another size since it was registered; register again."
        )


def check_place(overview: Layer, field: Layer, placement: Placement) -> None:
    """Refuse to lay `field` on `overview` where it cannot be."""
    check_shape(overview, placement.overview_shape)
    check_shape(field, placement.field_shape)
    check_units(overview, field)


def place(overview: Layer, field: Layer, placement: Placement) -> None:
    """Lay `field` on `overview`, where it may be (see `check_place`).

    Only the affine changes. Where one of the two is in plain pixels there is nothing to convert:
    then the field takes the overview's units.
    """
    if is_plain(overview) or is_plain(field):
        field.units = overview.units
    field.affine = registered_affine(overview, field, placement.matrix)
    note(
        field,
        placement=placement,
        overview=overview.name,
        overview_sha256=placement.overview_sha256,
        field_sha256=placement.field_sha256,
        version=placement.version,
    )
    remember(field, OVERVIEW, overview)


def bring_into_sight(viewer: Any, overview: Layer, field: Layer) -> None:
    """Show both layers, the field above its overview, between coarser and finer fields on it."""
    show(overview)
    show(field)
    layers = viewer.layers
    others = [x for x in layers if x is not field and is_origin(overview, x, OVERVIEW)]
    ratios = {layers.index(x): x.metadata[KEY]["placement"].ratio for x in others if _is_placed(x)}
    mine = field.metadata[KEY]["placement"].ratio
    low = max([layers.index(overview), *(i for i, r in ratios.items() if r < mine / _ALIKE)])
    high = min([len(layers), *(i for i, r in ratios.items() if r > mine * _ALIKE)])
    own = layers.index(field)
    if own < low:
        layers.move(own, low + 1)
    elif own > high:
        layers.move(own, high)


def _is_placed(layer: Layer) -> bool:
    return isinstance(about(layer).get("placement"), Placement)


def describe(name: str, placement: Placement) -> str:
    """Say where a field lies and how sure that is, in words."""
    share = f"{placement.overlap:.0%} of it on the overview"
    mirrored = ", mirrored" if placement.mirrored else ""
    residual = f", residual {placement.residual:.2f} px" if placement.residual >= 0 else ""
    numbers = (
        f"ratio {placement.ratio:.2f}, turned {placement.angle:.1f}°{mirrored}, score "
        f"{placement.score:.2f}, {share}{residual}"
    )
    if placement.accepted:
        return f"{name}: placed. {placement.reason} {numbers[0].upper()}{numbers[1:]}."
    why = placement.reason.removeprefix("Refused: ")
    return f"{name}: not placed, refused: {why} Best guess: {numbers}."


def outline_layer(overview: Layer, field: Layer, placement: Placement) -> tuple[Any, Any, str]:
    """Return the field's outline on the overview as layer data for a shapes layer."""
    height, width = placement.overview_shape
    thickness = max(height, width) / 800
    guess = "" if placement.accepted else " (best guess)"
    options = {
        **same_place(overview),
        "name": f"{field.name} · outline{guess}",
        "shape_type": "polygon",
        "edge_color": "yellow" if placement.accepted else "magenta",
        "edge_width": thickness,
        "face_color": "transparent",
        "metadata": {KEY: {"outline_of": [field.name], "overview": overview.name}},
    }
    return [placement.outline()], options, "shapes"


@dataclass(frozen=True)
class Made:
    """An image that was made of layers, and the options with which napari shows it."""

    image: npt.NDArray[np.generic]
    options: dict[str, Any]
    of: tuple[Layer, ...]


def differences(known: Sequence[tuple[Layer, Known]]) -> Generator[Step | Made, None, None]:
    """Compute for each field how far it and its overview are apart."""
    for k, (field, each) in enumerate(known):
        yield Step(k, len(known), f"Comparing '{field.name}' with '{each.overview.name}' ...")
        yield _difference(each.overview, field, each.placement)


def _difference(overview: Layer, field: Layer, placement: Placement) -> Made:
    apart = difference(pixels(overview), np.asarray(pixels(field)), placement)
    about = {
        "difference_of": [field.name, overview.name],
        "meaning": "absolute difference, black where the two agree, after the brightness and "
        "contrast of the field were fitted to those of the overview; brightened by the gain",
        "gain": GAIN,
        "overview_sha256": placement.overview_sha256,
        "field_sha256": placement.field_sha256,
        "version": placement.version,
    }
    options: dict[str, Any] = {
        **part_place(overview, (float(apart.first[0]), float(apart.first[1])), (1.0, 1.0)),
        "name": f"{field.name} · difference",
        "rgb": True,
        "metadata": {KEY: about},
    }
    return Made(_with_alpha(apart), options, (field, overview))


def _with_alpha(apart: Overlay) -> npt.NDArray[np.float32]:
    """Return the difference as RGBA, transparent where the field does not lie."""
    image = np.clip(colours_of(apart.image) * GAIN, 0, 1)
    return np.concatenate([image, apart.mask[..., None]], axis=-1, dtype=np.float32)
