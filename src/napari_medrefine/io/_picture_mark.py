"""What tells a picture from the others of its file."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from napari_medrefine.images import windows_of

_PLANES = 3  # of a stack that are looked at


def mark_of(data: Any, *, rgb: bool) -> str:
    """Return the SHA-256 of windows all over a picture.

    Parameters
    ----------
    data : array or list of arrays
        The pixels of a layer, perhaps lazy; of a pyramid the finest level counts.
    rgb : bool
        Whether the last axis is colours; alpha does not count: napari may have added it.
    """
    finest = data[0] if isinstance(data, list) else data
    sides = 2 + rgb
    leading = finest.shape[: max(0, len(finest.shape) - sides)]
    count = int(np.prod(leading))
    digest = hashlib.sha256()
    for number in sorted({round(i * (count - 1) / (_PLANES - 1)) for i in range(_PLANES)}):
        plane = finest[np.unravel_index(number, leading)] if leading else finest
        for window in windows_of(plane):
            digest.update(np.ascontiguousarray(window[..., :3] if rgb else window).data)
    return digest.hexdigest()
