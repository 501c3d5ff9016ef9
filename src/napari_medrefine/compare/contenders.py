"""The filters that stand beside a network, at their defaults and tuned on other slides.

What ships as tuned comes from `benchmarks/superres.py`; `tuned_on` says on what.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from PIL import Image as Pillow

from napari_medrefine.compare import filters
from napari_medrefine.compare.evaluate import Method
from napari_medrefine.compare.tune import Parameters, default_methods, tuned_methods
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, to_unit

PHOTO, REDUCED = "photo", "reduced"  # an objective's blur, or a clean digital reduction
DEFAULT, TUNED = ", default", ", tuned"
_TRACKS = {PHOTO: ((4, "x4-optical"), (2, "x2")), REDUCED: ((4, "x4"), (2, "x2"))}
_SHARPENING = "study-tiles"


def filters_for(
    scale: float, blur: str = PHOTO, *, tuned: Parameters | None = None
) -> dict[str, Method]:
    """Return every plain filter that fits, by its name.

    Sharpening filters for an enlargement work on the bicubic one at the scale they were tuned for
    (x4, below that x2), the rest of the way being interpolated, which is how the networks go, too.

    Parameters
    ----------
    scale : float
        Pixels of the result per input pixel; 1 is sharpening.
    blur : {"photo", "reduced"}
        Whether what is enlarged is a photo or a clean digital reduction; filters are tuned for
        either.
    tuned : parameters, optional
        Of the tuned filters at this very scale, in place of those that ship; ``{}``: none.

    Raises
    ------
    MedRefineError
        If there is no such blur.
    """
    if blur not in _TRACKS:
        raise MedRefineError(f"Filters are tuned for {' and '.join(_TRACKS)}, not for {blur}.")
    plain: dict[str, Method] = {}
    if scale > 1:
        plain = {
            "bicubic": filters.bicubic,
            "Lanczos": filters.lanczos,
            "back-projection": filters.back_projection,
        }
    at, track = next(((s, t) for s, t in _TRACKS[blur] if scale >= s), (1, _SHARPENING))
    default = default_methods()
    best, at = (tuned_parameters(track), at) if tuned is None else (tuned, scale)
    for name, method in default.items():
        plain[name + DEFAULT] = _at_scale(method, at)
        for sharpen in tuned_methods({k: v for k, v in best.items() if k == name}).values():
            plain[name + TUNED] = _at_scale(sharpen, at)
    return plain


def tuned_parameters(track: str) -> Parameters:
    """Return the tuned parameters of a protocol of `PROTOCOLS`, by filter.

    Raises
    ------
    MedRefineError
        If nothing ships for it.
    """
    if track not in _shipped()["tracks"]:
        raise MedRefineError(f"No tuned filters ship for {track}.")
    return {name: dict(values) for name, values in _shipped()["tracks"][track].items()}


def tuned_on() -> str:
    """Return what the tuned filters were tuned on."""
    return str(_shipped()["origin"])


def _at_scale(method: Method, at: float) -> Method:
    """Return `method` at the scale `at`, enlarged to what is asked for."""

    def there(image: Image, scale: float) -> Image:
        first = method(image, min(at, scale))
        if scale <= at:
            return first
        shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
        return filters.resized(to_unit(first), shape, Pillow.Resampling.BICUBIC)

    return there


@cache
def _shipped() -> dict[str, Any]:
    text = files("napari_medrefine.compare").joinpath("tuned.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
