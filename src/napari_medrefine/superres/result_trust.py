"""How far a result is to be trusted, as reports ask for it."""

from __future__ import annotations

from typing import Any


def trust_of(given: Any, scale: float, generated: Any) -> Any:
    """Return the trust map of `generated`, which the shipped network made of `given`.

    torch is imported when it is called. See `napari_medrefine.superres.trust_map`.
    """
    from napari_medrefine.superres import trust_map

    return trust_map(given, scale, generated=generated)
