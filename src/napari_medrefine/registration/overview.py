"""An overview, prepared once, on which fields are put."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import Step, finish
from napari_medrefine.registration.brute_force import brute_force_steps
from napari_medrefine.registration.coarse import LEAST_ON_OVERVIEW
from napari_medrefine.registration.keypoints import IN_OVERVIEW, Keypoints
from napari_medrefine.registration.locate import Locator
from napari_medrefine.registration.placement import Asked, Placement
from napari_medrefine.registration.pyramid import Level
from napari_medrefine.registration.sought import Sought
from napari_medrefine.registration.sources import Photo, source_of
from napari_medrefine.registration.structure import structure_size
from napari_medrefine.registration.trace import Trace
from napari_medrefine.registration.window import Angle, Ratio, Window, window_of

Method = Literal["pyramid", "spiral"]

SMALLEST = 24  # overview pixels that a field's shorter side must cover
LARGEST = 16_000_000  # pixels of the level on which keypoints are looked for


class Overview:
    """A photo of low magnification, or a whole slide, prepared once for many fields.

    Parameters
    ----------
    image : array-like, or sequence of lazy arrays
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float. A lazy array (dask,
        zarr) is read part by part, where a search needs it; of a sequence, each the one before
        reduced (OME-Zarr, a napari multiscale layer), the coarser ones are used where they do.

    Raises
    ------
    MedRefineError
        If `image` is none, or is constant.
    """

    def __init__(self, image: object) -> None:
        self._source = source_of(image)
        self.shape = self._source.shape
        self.levels: tuple[Level, ...] = self._source.levels()
        for level in self.levels:
            if level.small and isinstance(self._source, Photo):
                _ = level.whole  # now, not when the first field waits for it

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels; of a lazy whole slide that of its coarsest level."""
        return self._source.sha256

    @cached_property
    def structure(self) -> float:
        """Size of the structures in pixels, see `structure_size`."""
        return structure_size(self._source.full)

    @cached_property
    def keypoints(self) -> tuple[Keypoints, Level]:
        """Keypoints of the overview, found when first needed, and the level they are on."""
        level = next(x for x in self.levels if x.shape[0] * x.shape[1] <= LARGEST)
        return Keypoints.of(level.whole.image, IN_OVERVIEW), level

    def register(
        self,
        field: npt.ArrayLike,
        *,
        ratio: Ratio = None,
        angle: Angle = None,
        method: Method = "pyramid",
    ) -> Placement:
        """Find where `field` lies on the overview; see `napari_medrefine.register`."""
        return finish(self.register_steps(field, ratio=ratio, angle=angle, method=method))

    def register_steps(
        self,
        field: npt.ArrayLike,
        *,
        ratio: Ratio = None,
        angle: Angle = None,
        method: Method = "pyramid",
        trace: Trace | None = None,
    ) -> Generator[Step, None, Placement]:
        """Do what `register` does, as a job that reports its progress and can be stopped.

        `trace`, if given, is filled with all that was looked at.
        """
        if method not in ("pyramid", "spiral"):
            raise MedRefineError(f"The method must be 'pyramid' or 'spiral', not {method!r}.")
        sought = Sought(field)
        locator = self.locator(sought, ratio=ratio, angle=angle, trace=trace)
        yield Step(0, 1, "preparing")
        asked = Asked(ratio, angle)
        if method == "pyramid":
            return replace((yield from locator.by_pyramid_steps()), asked=asked)
        if not isinstance(self._source, Photo):
            raise MedRefineError("The method 'spiral' is for photos, not for whole slides.")
        nominal = window_of(ratio, angle).nominal
        found = yield from brute_force_steps(self._source.full, sought.image, nominal, trace)
        return replace(locator.judge_spotted(found), asked=asked)

    def locator(
        self,
        sought: Sought,
        *,
        ratio: Ratio = None,
        angle: Angle = None,
        trace: Trace | None = None,
    ) -> Locator:
        """Return the search for `sought`, not yet begun; see `napari_medrefine.register`."""
        window = window_of(ratio, angle)
        self._check_size(sought.shape, window)
        return Locator(self, sought, _possible(sought.shape, self.shape, window), trace)

    def _check_size(self, shape: tuple[int, int], window: Window) -> None:
        smallest = np.array(shape) / window.ratio[1]
        if (smallest > np.array(self.shape)).all():
            raise MedRefineError(
                f"The field ({shape[1]} x {shape[0]} pixels) is larger than "
                f"the overview ({self.shape[1]} x {self.shape[0]}) even at a ratio of "
                f"{window.ratio[1]:.4g}; "
                "check the ratio, and whether field and overview are swapped."
            )
        largest = min(shape) / window.ratio[0]
        if largest < SMALLEST:
            raise MedRefineError(
                f"At a ratio of {window.ratio[0]:.4g} the field covers only {largest:.0f} pixels "
                f"of the overview; at least {SMALLEST} are needed."
            )


def register(
    overview: object,
    field: npt.ArrayLike,
    *,
    ratio: Ratio = None,
    angle: Angle = None,
    method: Method = "pyramid",
) -> Placement:
    """Find where a field (a photo of high magnification) lies on its overview.

    Parameters
    ----------
    overview, field : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float, brightfield (the light
        is the background). They may differ in size, dtype, channels, illumination and focus. The
        overview may be a whole slide, see `Overview`.
    ratio : float, (float, float) or None
        How many field pixels make one overview pixel: the nominal number (10 for 40x on 4x with one
        camera; the search allows for 8 %), a range, or None where it is unknown: 2 to 40 are
        searched, and the field mirrored as well (a slide put in upside down). Of a wide range,
        only ratios are searched at which photos of these sizes can be told apart.
    angle : (float, float), optional
        Range of camera angles in degrees; ``(-180, 180)`` for any. By default -15 to 15, or any
        where the ratio is unknown.
    method : {"pyramid", "spiral"}
        The spiral pyramid, or the study's brute-force spiral on reduced images, for comparison.

    Returns
    -------
    Placement
        Also where the field is refused: then `Placement.accepted` is false and `reason` says why.

    Raises
    ------
    MedRefineError
        If an image is none, empty, constant or contains NaN; if the field is larger than the
        overview at every ratio allowed; if `ratio` or `angle` is impossible.
    """
    return Overview(overview).register(field, ratio=ratio, angle=angle, method=method)


def _possible(shape: tuple[int, int], ground: tuple[int, int], window: Window) -> Window:
    """Return `window` without ratios at which the field would be too small to be told apart.

    Nor with those at which hardly any of it would lie on the overview, of the shape `ground`.
    """
    low, high = window.ratio
    lowest = float(np.sqrt(LEAST_ON_OVERVIEW * np.prod(shape) / np.prod(ground)))
    low = max(low, min(high, lowest))
    highest = max(low, min(high, min(shape) / SMALLEST))
    return Window((low, highest), window.angle, window.mirrored)
