"""What the user set in napari's preferences, and networks that keep to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from napari.settings import get_plugin_settings

from napari_medrefine.io.ome_zarr_attributes import Version
from napari_medrefine.widgets._jobs import import_apart

if TYPE_CHECKING:
    from napari_medrefine.superres.precision import Device


@dataclass(frozen=True)
class Preferences:
    """As the manifest declares them.

    Attributes
    ----------
    device : {"automatic", "cpu", "cuda", "mps"}
    threads : int
        0: all cores but one.
    tile : int
        Pixels of the result a side that are made at once when magnifying to disk.
    realism : float
        Where the slider stands at first.
    ome_zarr : {"0.5", "0.4"}
        What is written.
    cache_folder : str
        Where tiles of the view are kept for other sessions; empty: nowhere.
    """

    device: Device = "automatic"
    threads: int = 0
    tile: int = 2048
    realism: float = 0.0
    ome_zarr: Version = "0.5"
    cache_folder: str = ""

    @property
    def cores(self) -> int:
        """How many a job keeps busy: one is left to the window."""
        return self.threads or max(1, (os.cpu_count() or 2) - 1)


def preferences() -> Preferences:
    """Return what is set now; the defaults where napari has not found the plugin's manifest."""
    try:
        section: Any = get_plugin_settings("napari-medrefine").magnify
    except (KeyError, AttributeError):
        return Preferences()
    return Preferences(**{one.name: getattr(section, one.name) for one in fields(Preferences)})


def load_networks(wanted: Preferences) -> None:
    """Import torch from a job's thread, and keep it to the device and threads that are wanted.

    Raises
    ------
    MedRefineError
        If there is no such device.
    """
    import_apart("napari_medrefine.superres.models")
    from napari_medrefine.superres.precision import use_device, use_threads

    use_device(wanted.device)
    use_threads(wanted.cores)
