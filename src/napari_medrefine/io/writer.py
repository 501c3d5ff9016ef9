"""napari writer of tiled datasets: layers saved open again as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_medrefine.errors import MedRefineError
from napari_medrefine.io._layers import LayerData
from napari_medrefine.io.reader import ENDING, MANIFEST


class SavingError(RuntimeError):
    """The sentence of a `MedRefineError`, for napari.

    That takes a ValueError for a sign that the plugin does not fit, and says so instead.
    """


def write_dataset(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save image layers as a tiled dataset (npe2); see `save_layers`.

    Raises
    ------
    SavingError
        Where `save_layers` raises a `MedRefineError`.
    """
    try:
        return [str(save_layers(path, layers))]
    except MedRefineError as error:
        raise SavingError(str(error)) from error


def save_layers(path: str | Path, layers: Sequence[LayerData]) -> Path:
    """Save image layers as a tiled dataset; return the manifest's path.

    Each layer becomes a photo, cut into tiles without loss, whatever its size. `reader` opens them
    with the same pixels, dtype, place and looks; of the metadata what JSON can hold.

    Parameters
    ----------
    path : path
        Where the manifest goes: ``NAME.medrefine.json``, or ``medrefine-dataset.json``. The ending
        is added where it is missing.
    layers : list of (data, attributes, "image")
        2-D images, grey, RGB or RGBA; uint8, uint16 or float; lazy ones are read part by part.

    Raises
    ------
    MedRefineError
        If a layer is none of these, or something cannot be written; nothing has changed then.
    """
    from napari_medrefine.io._photo_layers import photo_layer
    from napari_medrefine.io.saving import save_steps
    from napari_medrefine.progress import finish

    target = _target(Path(path))
    photos = [photo_layer(*layer) for layer in layers]
    if not photos:
        raise MedRefineError("There are no layers to save.")
    finish(save_steps(target, photos))
    return target


def _target(path: Path) -> Path:
    """Return the manifest's path; one that nobody has been asked about must not exist yet."""
    name = path.name.lower()
    if name == MANIFEST or name.endswith(ENDING):
        return path
    ended = path.name[: -len(".json")] if name.endswith(".json") else path.name
    target = path.with_name(f"{ended}{ENDING}")
    if target.exists():
        raise MedRefineError(
            f"{target} exists already; to replace it, save under just that name, {target.name}."
        )
    return target
