"""The filters that stand beside a network, at their defaults and tuned on other slides.

What ships as tuned comes from `benchmarks/superres.py`; `tuned_words` says on what.
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
_TRACKS = {PHOTO: ((4, "x4-camera"), (2, "x2")), REDUCED: ((4, "x4"), (2, "x2"))}
_SHARPENING = "study-tiles"


def filters_for(
    scale: float,
    blur: str = PHOTO,
    *,
    track: str | None = None,
    tuned: Parameters | None = None,
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
    track : str, optional
        A protocol of `PROTOCOLS` of this very scale that filters were tuned for, in place of one
        told from scale and blur.
    tuned : parameters, optional
        Of the tuned filters at this very scale, in place of those that ship; ``{}``: none. Such
        filters have their parameters in their names.

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
    at, found = _track(scale, blur) if track is None else (scale, track)
    default = default_methods()
    best, at = (tuned_parameters(found), at) if tuned is None else (tuned, scale)
    for name, method in default.items():
        plain[name + DEFAULT] = _at_scale(method, at)
        for named, sharpen in tuned_methods({k: v for k, v in best.items() if k == name}).items():
            plain[name + TUNED if tuned is None else named] = _at_scale(sharpen, at)
    return plain


def track_of(scale: float, blur: str = PHOTO) -> str:
    """Return the protocol whose tuned filters `filters_for` takes."""
    return _track(scale, blur)[1]


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


def tuned_words(*tracks: str) -> str:
    """Say what the shipped tuned filters were tuned on, and the parameters of these protocols."""
    chosen = "; ".join(
        f"{track}: "
        + ", ".join(
            f"{name} ({', '.join(f'{k} {v:g}' for k, v in values.items())})"
            for name, values in tuned_parameters(track).items()
        )
        for track in tracks
    )
    return f"{_shipped()['origin']}. {chosen}."


def _track(scale: float, blur: str) -> tuple[int, str]:
    return next(((s, t) for s, t in _TRACKS[blur] if scale >= s), (1, _SHARPENING))


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
