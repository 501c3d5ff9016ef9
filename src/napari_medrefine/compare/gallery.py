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
CROP = 160  # pixels of the sharp image
_GAIN = 4.0
# From safe to doubtful, dark to bright; told apart in grey too (matplotlib's magma, five stops).
_STOPS = np.array(
    [(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], float
)


@dataclass(frozen=True, eq=False)
class Strip:
    """A row of labelled pictures of one place, and what they show.

    Attributes
    ----------
    title : str
        Image and slide.
    pictures : tuple of (label, picture)
        Each ``(H, W, 3)`` uint8 of one size.
    """

    title: str
    pictures: tuple[tuple[str, Picture], ...]


def strip(
    sample: Sample,
    protocol: Protocol,
    plain: tuple[str, Method],
    ours: tuple[str, Method],
    trust: Trust | None = None,
) -> Strip:
    """Return the six pictures of the middle of a sample.

    Parameters
    ----------
    sample : Sample
        The image; methods see all of it, a crop of its middle is shown.
    protocol : Protocol
        How its input is made.
    plain, ours : (name, method)
        A filter and a network.
    trust : callable, optional
        Gets the input, the scale and what was generated; what it raises as `MedRefineError` is
        written in place of the map.
    """
    given, sharp = prepared(sample, protocol)
    seen = to_unit(given)
    made = {
        name: from_unit(np.asarray(method(seen, protocol.scale), np.float32), sharp)
        for name, method in (plain, ours)
    }
    cut = _middle(sharp.shape[:2])
    generated = made[ours[0]]
    shown: list[tuple[str, Picture]] = [
        ("blur (the input)", as_picture(nearest(given, protocol.scale))[cut]),
        (f"filter: {plain[0]}", as_picture(made[plain[0]])[cut]),
        (f"generated: {ours[0]}", as_picture(generated)[cut]),
        ("sharp (the truth)", as_picture(sharp)[cut]),
        (
            f"generated minus sharp, x{_GAIN:g}",
            signed_difference(generated[cut], sharp[cut], gain=_GAIN),
        ),
    ]
    shown.append(_trusted(trust, given, protocol.scale, generated, cut))
    return Strip(_title(sample), tuple(shown))


def _trusted(
    trust: Trust | None, given: Image, scale: float, generated: Image, cut: tuple[slice, slice]
) -> tuple[str, Picture]:
    side = (cut[0].stop - cut[0].start, cut[1].stop - cut[1].start)
    nothing = np.full((*side, 3), 235, np.uint8)
    if trust is None:
        return "trust: not computed", nothing
    try:
        errors = trust(given, scale, generated)[cut]
    except MedRefineError as error:
        return f"trust: {error}", nothing
    top = max(1.0, float(errors.max()))
    share = np.clip(errors / top, 0, 1) * (len(_STOPS) - 1)
    colours = [np.interp(share, range(len(_STOPS)), _STOPS[:, k]) for k in range(3)]
    label = f"trust: error at most (90 %), dark 0 to bright {top:.0f} grey levels"
    return label, np.rint(np.stack(colours, -1)).astype(np.uint8)


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, cols = (
        slice(max(0, (n - CROP) // 2), max(0, (n - CROP) // 2) + min(CROP, n)) for n in shape[:2]
    )
    return rows, cols


def _title(sample: Sample) -> str:
    named = sample.name.startswith(sample.slide)
    return sample.name if named else f"{sample.slide}: {sample.name}"
