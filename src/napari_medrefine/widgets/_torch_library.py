"""Loading torch's library ahead of torch, while others go on.

An import loads the libraries of an extension and holds Python's lock meanwhile: 0.7 s for those of
torch, in which napari would stand still. Loaded before, they are there already.

The system, too, has a lock, and loads one library at a time. So the window has its own before.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from qtpy.QtGui import QImageReader

_SUFFIX = {"linux": ".so", "darwin": ".dylib"}  # on Windows torch itself does what is done here
_LIBRARIES = ("libtorch_global_deps", "libtorch_cpu", "libtorch_cuda")


def load_libraries_of_window() -> None:
    """Have Qt load what reads images, which else it does where napari first shows that a job runs.

    In the main thread. While torch's library is loaded, the window would stand still.
    """
    QImageReader.supportedImageFormats()


def load_library() -> None:
    """Load what there is of torch's libraries; what fails here, torch's import will say."""
    suffix = _SUFFIX.get(sys.platform)
    # Who names folders of libraries has torch look for its own in an order of its own, too.
    if suffix is None or "torch" in sys.modules or os.environ.get("LD_LIBRARY_PATH"):
        return
    with suppress(AttributeError, ImportError, OSError, ValueError):
        spec = find_spec("torch")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for name in _LIBRARIES:
                _load(Path(folder) / "lib" / f"{name}{suffix}")


def _load(library: Path) -> None:
    if not library.is_file():
        return
    # As a function of C: ctypes lets go of Python's lock around one, and not while it loads itself.
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    shared = os.RTLD_GLOBAL if "global" in library.name else os.RTLD_LOCAL
    load(os.fsencode(library), os.RTLD_NOW | shared)  # as torch and Python do
