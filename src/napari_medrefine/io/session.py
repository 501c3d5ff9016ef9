"""A session in one file: which layers there were, from which files, where and how they were shown.

``NAME.medrefine-session.json`` holds no pixels. Files are found again where they lie relative to
it, or else where they were. What is gone costs its layer and one sentence; the rest comes back.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from napari_medrefine import __version__
from napari_medrefine._hashing import sha256_of_file
from napari_medrefine._names import as_text
from napari_medrefine._paths import is_file, is_folder
from napari_medrefine._records import read_record, write_record
from napari_medrefine.dataset.layer_state import LayerAttributes
from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layer_attributes import keep, restore
from napari_medrefine.io._layers import KEY, LayerData
from napari_medrefine.io._picture_mark import mark_of
from napari_medrefine.io._session_files import holds_several, layers_of
from napari_medrefine.provenance import Provenance, Weights

ENDING = ".medrefine-session.json"
HASHED = 2**28  # bytes up to which a file is hashed
DAMAGED = "what the session says of it is damaged."
Reader = Callable[[str | Sequence[str]], list[LayerData]]
_VECTOR = ("scale", "translate", "rotate", "shear", "affine", "opacity", "blending", "visible",
           "units", "axis_labels", "name", "ndim", "text", "shape_type", "z_index", "edge_color",
           "face_color", "edge_width", "size", "border_color", "border_width",
           "border_width_is_relative", "symbol", "shown", "out_of_slice_display")  # fmt: skip
_MOST_AXES = 32


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SourceFile(_Model):
    """Where a layer's pixels are: its file or folder, and how it was opened."""

    relative: str
    absolute: str
    sha256: str | None = None
    plugin: str | None = None


class SessionLayer(_Model):
    """A layer.

    Attributes
    ----------
    kind : {"image", "shapes", "points"}
    name : str
    source : SourceFile or None
        None of an image that is in no file: a generated one that was not saved.
    shape, dtype : of an image, to find it among several in one file
    windows_sha256 : str or None
        Of an image, to find it among others of its shape; None where its file holds but one.
    rgb, multiscale : bool
    attributes : LayerAttributes or None
        Of an image: transform, looks, and metadata with placement and provenance.
    vector : dict or None
        Of shapes and points: all of it, the features included.
    """

    kind: Literal["image", "shapes", "points"]
    name: str
    source: SourceFile | None = None
    shape: tuple[int, ...] = ()
    dtype: str = ""
    windows_sha256: str | None = None
    rgb: bool = False
    multiscale: bool = False
    attributes: LayerAttributes | None = None
    vector: dict[str, JsonValue] | None = None


class SessionView(_Model):
    """What the canvas showed.

    Attributes
    ----------
    center : tuple of float
        The point in the middle, in world coordinates.
    zoom : float
        Canvas pixels per unit of the world.
    angles : (float, float, float)
        Of the 3-D view, in degrees.
    ndisplay : {2, 3}
        Dimensions shown.
    """

    center: tuple[float, float] | tuple[float, float, float]
    zoom: Annotated[float, Field(gt=0)]
    angles: tuple[float, float, float]
    ndisplay: Literal[2, 3]


class Session(_Model):
    """A session, as written; the bottom layer first."""

    format: Literal["medrefine-session"] = "medrefine-session"
    version: Annotated[Literal[1], Field()] = 1
    software: str = f"napari-medrefine {__version__}"
    models: tuple[Weights, ...] = ()
    view: SessionView | None = None
    layers: tuple[SessionLayer, ...]


def save_session(
    path: str | Path,
    layers: Sequence[tuple[LayerData, str | None, str | None]],
    view: SessionView | None = None,
) -> list[str]:
    """Write a session.

    Parameters
    ----------
    path : path
        ``NAME.medrefine-session.json``; replaced if it is there.
    layers : sequence of (layer data, file or None, reader's name or None)
        The bottom one first.
    view : SessionView, optional
        What the canvas shows.

    Returns
    -------
    list of str
        A sentence for each layer that cannot come back, or not by itself.

    Raises
    ------
    MedRefineError
        If the file cannot be written.
    """
    target = Path(path)
    kept: list[SessionLayer] = []
    said: list[str] = []
    for data, file, plugin in layers:
        name = as_text(str(data[1].get("name")))
        try:
            one = _session_layer(target, data, file, plugin)
        except MedRefineError as error:
            said.append(f"'{name}' is left out: {error}")
            continue
        kept.append(one)
        if one.kind == "image" and one.source is None:
            said.append(
                f"'{name}' is in no file: save it (File > IO Utilities > Save layers with scale "
                "and provenance) and save the session again, or it has to be made again."
            )
    session = Session(models=_models(kept), view=view, layers=tuple(kept))
    write_record(target, session.model_dump(mode="json", exclude_none=True))
    return said


def get_session_reader(path: str | Sequence[str]) -> Reader | None:
    """Return the reader of a session, None for anything else (npe2)."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_session if len(paths) == 1 and paths[0].lower().endswith(ENDING) else None


def read_session(path: str | Path | Sequence[str]) -> list[LayerData]:
    """Return the layers of a session as they were; see `open_session`."""
    return open_session(path)[0]


def open_session(
    path: str | Path | Sequence[str],
) -> tuple[list[LayerData], SessionView | None]:
    """Return the layers of a session as they were, and what its canvas showed, if that is in it.

    There is one warning for each layer that is not there.

    Raises
    ------
    MedRefineError
        If the file is none, or nothing of it can be had.
    """
    target = Path(path if isinstance(path, str | Path) else path[0])
    session = read_record(target, Session, "a session")
    found: list[LayerData] = []
    problems: list[str] = []
    used: dict[Path, list[LayerData]] = {}
    for layer in session.layers:
        try:
            found.append(_restored(target, layer, used, problems))
        except MedRefineError as error:
            problems.append(f"'{layer.name}' is not restored: {error}")
    if not found:
        raise MedRefineError(f"Nothing of {target} can be restored. {' '.join(problems)}".strip())
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    return found, session.view


def _session_layer(
    target: Path, layer: LayerData, file: str | None, plugin: str | None
) -> SessionLayer:
    data, state, kind = layer
    name = as_text(str(state.get("name")))
    if kind == "shapes" or kind == "points":
        try:
            return SessionLayer(kind=kind, name=name, vector=_vector(data, state))
        except ValidationError as error:
            raise MedRefineError("it holds numbers that are not finite.") from error
    if kind != "image":
        raise MedRefineError(
            f"a session holds images, shapes and points, no {kind}; save that layer to a file of "
            "its own (File > Save Selected Layers)."
        )
    finest = data[0] if state.get("multiscale") else data
    source = None if file is None else _source(target, Path(file), plugin)
    rgb = bool(state.get("rgb"))
    several = source is not None and holds_several(Path(source.absolute))
    return SessionLayer(
        kind="image",
        name=name,
        source=source,
        shape=tuple(finest.shape),
        dtype=np.dtype(finest.dtype).name,
        windows_sha256=mark_of(finest, rgb=rgb) if several else None,
        rgb=rgb,
        multiscale=bool(state.get("multiscale")),
        attributes=keep(name, state),
    )


def _source(target: Path, file: Path, plugin: str | None) -> SourceFile | None:
    file = file.absolute()
    if not file.exists():
        return None
    if as_text(str(file)) != str(file):
        raise MedRefineError(f"the name of its file, {file}, is no text (UTF-8); rename it.")
    relative = str(file)
    with suppress(ValueError):  # another drive
        relative = Path(os.path.relpath(file, target.absolute().parent)).as_posix()
    small = file.is_file() and file.stat().st_size <= HASHED
    return SourceFile(
        relative=relative,
        absolute=str(file),
        sha256=sha256_of_file(file) if small else None,
        plugin=plugin,
    )


def _vector(data: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: _plain(state[key]) for key in _VECTOR if state.get(key) is not None}
    if state.get("properties"):
        kept["features"] = _plain(state["properties"])
    facts = (state.get("metadata") or {}).get(KEY)
    if isinstance(facts, dict) and all(isinstance(v, str | list) for v in facts.values()):
        kept["metadata"] = {KEY: facts}
    return {"data": _plain(data), **kept}


def _plain(value: Any) -> Any:
    if hasattr(value, "affine_matrix"):
        return np.asarray(value.affine_matrix).tolist()
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {as_text(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | bool | None) else as_text(str(value))


def _models(layers: Sequence[SessionLayer]) -> tuple[Weights, ...]:
    """Return all weights that the layers were made with, each once."""
    found: dict[str, Weights] = {}
    for layer in layers:
        metadata = layer.attributes.metadata if layer.attributes else None
        made = Provenance.of_facts((metadata or {}).get(KEY), layer.name)
        found |= {one.sha256: one for one in (made.weights if made else ())}
    return tuple(found.values())


def _restored(
    target: Path, layer: SessionLayer, used: dict[Path, list[LayerData]], problems: list[str]
) -> LayerData:
    if layer.vector is not None:
        return _restored_vector(layer)
    if layer.source is None or layer.attributes is None:
        raise MedRefineError("it was generated and not saved; make it again.")
    path = _found(target, layer.source)
    if layer.source.sha256 and path.is_file() and sha256_of_file(path) != layer.source.sha256:
        problems.append(f"The file of '{layer.name}', {path.name}, has been changed since.")
    if path not in used:
        used[path] = layers_of(path, layer.source.plugin)
    same = [one for one in used[path] if _fits(one, layer)]
    if not same:
        raise MedRefineError(f"{path.name} holds no picture of {layer.shape} {layer.dtype}.")
    one = _chosen(same, layer)
    if one is None:
        one = same[0]
        problems.append(
            f"{path.name} holds {len(same)} pictures of the size of '{layer.name}', and none is "
            "known to be it: check whether the right one came back."
        )
    used[path] = [other for other in used[path] if other is not one] or used[path]
    attributes: dict[str, Any] = {"name": layer.name, "rgb": layer.rgb}
    attributes["multiscale"] = _levels(one) > 1 or layer.multiscale
    data = one[0]
    if attributes["multiscale"] and not isinstance(data, list):
        data = [data]
    return data, attributes | restore(layer.attributes), "image"


def _chosen(same: Sequence[LayerData], layer: SessionLayer) -> LayerData | None:
    """Return which of several pictures of one shape the layer was, None if that is unknown."""
    if len(same) == 1:
        return same[0]
    likely = sorted(same, key=lambda one: one[1].get("name") != layer.name)
    if layer.windows_sha256 is None:  # of a session that was saved before they were noted
        alike = [one[1].get("name") == layer.name for one in same]
        return likely[0] if sum(alike) == 1 else None
    marks = ((mark_of(one[0], rgb=layer.rgb), one) for one in likely)  # read as far as needed
    return next((one for mark, one in marks if mark == layer.windows_sha256), None)


def _found(target: Path, source: SourceFile) -> Path:
    for path in (target.absolute().parent / source.relative, Path(source.absolute)):
        if is_file(path) or is_folder(path):
            return path
    raise MedRefineError(f"its file {Path(source.absolute).name} is not there any more.")


def _levels(layer: LayerData) -> int:
    return len(layer[0]) if isinstance(layer[0], list) else 1


def _fits(one: LayerData, layer: SessionLayer) -> bool:
    finest = one[0][0] if isinstance(one[0], list) else one[0]
    # What was made on disk is shown with an alpha channel that its file has not.
    sides = len(layer.shape) - layer.rgb
    same = tuple(finest.shape[:sides]) == layer.shape[:sides]
    same = same and len(finest.shape) == len(layer.shape)
    return same and np.dtype(finest.dtype).name == layer.dtype


def _restored_vector(layer: SessionLayer) -> LayerData:
    given = {"name": layer.name, **(layer.vector or {})}
    data: Any = given.pop("data", [])
    try:
        if not given.keys() <= {*_VECTOR, "features", "metadata"}:
            raise ValueError("a property that is not known")
        ndim = int(str(given.get("ndim", 2)))
        if not 2 <= ndim <= _MOST_AXES:  # napari makes matrices of as many rows
            raise ValueError("no number of axes")
        if layer.kind == "shapes":
            return [np.asarray(one, np.float64) for one in data], given, "shapes"
        points = np.asarray(data, np.float64)
        if not points.size:
            points = points.reshape(0, ndim)
        return points, given, "points"
    except (TypeError, ValueError) as error:
        raise MedRefineError(DAMAGED) from error
