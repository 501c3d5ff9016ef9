"""What must be seen beside numbers: blur | filter | generated | sharp | difference | trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_medrefine.compare.evaluate import Method, Sample, prepared
from napari_medrefine.compare.filters import Floats, nearest
from napari_medrefine.compare.protocols import Protocol
from napari_medrefine.compare.visuals import Picture, as_picture, signed_difference
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, from_unit, to_unit

Trust = Callable[[Image, float, Image], Floats]  # input, scale, generated -> errors, grey levels
CROP, SEEN = 160, 40  # pixels of the sharp image, and of the input, that are shown at least
_GAIN = 4.0
# From safe to doubtful, dark to bright; told apart in grey too (matplotlib's magma, five stops).
_STOPS = np.array(
    [(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], float
)


@dataclass(frozen=True, eq=False)
class Generated:
    """What a strip is about.

    Attributes
    ----------
    name : str
        Of the network, or of a result that is there already.
    method : (image, scale) -> image, or None
        None: the result is among the sample's `ready`.
    trust : callable or str
        Gets the input, the scale and what was generated; or why there is no trust map.
    """

    name: str
    method: Method | None
    trust: Trust | str = "none was asked for."


@dataclass(frozen=True, eq=False)
class Strip:
    """A row of labelled pictures of one place, and what they show.

    Attributes
    ----------
    title : str
        Image and slide.
    pictures : tuple of (label, picture)
        Each ``(H, W, 3)`` uint8 of one size.
    note : str
        What was left out, and why.
    """

    title: str
    pictures: tuple[tuple[str, Picture], ...]
    note: str = ""


def strip(
    sample: Sample, protocol: Protocol, plain: tuple[str, Method] | None, generated: Generated
) -> Strip:
    """Return the pictures of the middle of a sample.

    Parameters
    ----------
    sample : Sample
        The image; methods see all of it, a crop of its middle is shown.
    protocol : Protocol
        How its input is made.
    plain : (name, method) or None
        A filter. None: there is no input but what was generated, and neither is shown.
    generated : Generated
        What its trust raises as `MedRefineError` is told, and the map left out.
    """
    given, sharp = prepared(sample, protocol)
    cut = _middle(sharp.shape[:2], protocol.scale)
    result = _made(generated.name, generated.method, sample, given, sharp, protocol.scale)
    shown: list[tuple[str, Picture]] = []
    if plain is not None:
        filtered = _made(*plain, sample, given, sharp, protocol.scale)
        shown = [
            ("blur (the input)", as_picture(nearest(given, protocol.scale))[cut]),
            (f"filter: {plain[0]}", as_picture(filtered)[cut]),
        ]
    difference = signed_difference(result[cut], sharp[cut], gain=_GAIN)
    shown += [
        (f"generated: {generated.name}", as_picture(result)[cut]),
        ("sharp (the truth)", as_picture(sharp)[cut]),
        (f"generated minus sharp, x{_GAIN:g}", difference),
    ]
    try:
        shown.append(_trusted(generated.trust, given, protocol.scale, result, cut))
    except MedRefineError as error:
        return Strip(_title(sample), tuple(shown), f"There is no trust map here: {error}")
    return Strip(_title(sample), tuple(shown))


def _made(
    name: str, method: Method | None, sample: Sample, given: Image, sharp: Image, scale: float
) -> Image:
    """Return what a method makes of the input, or what is there already, in the truth's dtype."""
    exact = sample.ready[name] if method is None else method(to_unit(given), scale)
    return from_unit(np.asarray(exact, np.float32), sharp)


def _trusted(
    trust: Trust | str, given: Image, scale: float, generated: Image, cut: tuple[slice, slice]
) -> tuple[str, Picture]:
    """Return the trust map as a picture.

    Raises
    ------
    MedRefineError
        If there is none; it says why.
    """
    if isinstance(trust, str):
        raise MedRefineError(trust)
    errors = trust(given, scale, generated)[cut]
    top = max(1.0, float(errors.max()))
    share = np.clip(errors / top, 0, 1) * (len(_STOPS) - 1)
    colours = [np.interp(share, range(len(_STOPS)), _STOPS[:, k]) for k in range(3)]
    label = f"trust: error at most (90 %), dark 0 to bright {top:.0f} grey levels"
    return label, np.rint(np.stack(colours, -1)).astype(np.uint8)


def _middle(shape: tuple[int, ...], scale: float) -> tuple[slice, slice]:
    side = max(CROP, round(SEEN * scale))
    low = [max(0, (n - side) // 2) for n in shape[:2]]
    rows, cols = (slice(a, a + min(side, n)) for a, n in zip(low, shape, strict=False))
    return rows, cols


def _title(sample: Sample) -> str:
    named = sample.name.startswith(sample.slide)
    return sample.name if named else f"{sample.slide}: {sample.name}"
