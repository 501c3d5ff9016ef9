"""An overview, prepared once, on which fields are put."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image, check_image, sha256_of
from napari_medrefine.progress import Step, finish
from napari_medrefine.registration.brute_force import brute_force_steps
from napari_medrefine.registration.distortion import closest_affine, fit_distortion
from napari_medrefine.registration.patches import IN_OVERVIEW, Blobs, votes_steps
from napari_medrefine.registration.placement import Placement
from napari_medrefine.registration.pyramid import Level, brightness, build_pyramid
from napari_medrefine.registration.refine import Fit
from napari_medrefine.registration.search import (
    CANDIDATES,
    OCTAVE,
    Field,
    Window,
    refine_at,
    rivals,
    search_steps,
)
from napari_medrefine.registration.verdict import (
    Evidence,
    at_level,
    block_level,
    gather,
    judge,
)

Ratio = float | tuple[float, float] | None
Method = Literal["pyramid", "spiral"]

TOLERANCE = 0.08  # by which a nominal ratio may be off
UNKNOWN = (2.0, 40.0)  # ratios searched where it is unknown
OVERWHELMING = 1e-6  # false alarms below which only a convincing rival casts doubt
SMALLEST = 24  # overview pixels that a field's shorter side must cover


class Overview:
    """A photo of low magnification, prepared once for many fields.

    Parameters
    ----------
    image : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float.

    Raises
    ------
    MedRefineError
        If `image` is none, or is constant.
    """

    def __init__(self, image: npt.ArrayLike) -> None:
        self.image: Image = _textured(image, "overview")
        self.shape = (int(self.image.shape[0]), int(self.image.shape[1]))
        self.levels: tuple[Level, ...] = build_pyramid(brightness(self.image))
        for level in self.levels:
            _ = level.features  # now, not when the first field waits for it

    @cached_property
    def blobs(self) -> Blobs:
        """Blobs of the overview, found when first needed."""
        return Blobs.of(self.levels[0].features, IN_OVERVIEW)

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels."""
        return sha256_of(self.image)

    def register(
        self,
        field: npt.ArrayLike,
        *,
        ratio: Ratio = None,
        angle: tuple[float, float] = (-15.0, 15.0),
        method: Method = "pyramid",
    ) -> Placement:
        """Find where `field` lies on the overview; see `napari_medrefine.register`."""
        return finish(self.register_steps(field, ratio=ratio, angle=angle, method=method))

    def register_steps(
        self,
        field: npt.ArrayLike,
        *,
        ratio: Ratio = None,
        angle: tuple[float, float] = (-15.0, 15.0),
        method: Method = "pyramid",
    ) -> Generator[Step, None, Placement]:
        """Do what `register` does, as a job that reports its progress and can be stopped."""
        image = _textured(field, "field")
        window = _window(ratio, angle)
        self._check_size(image, window)
        window = _large_enough(image, window)
        if method not in ("pyramid", "spiral"):
            raise MedRefineError(f"The method must be 'pyramid' or 'spiral', not {method!r}.")
        yield Step(0, 1, "preparing")
        small = Field(brightness(image))
        if method == "spiral":
            return (yield from self._by_brute_force(image, small, window))
        fits = yield from search_steps(self.levels, small, window)
        place = self._best_of(image, small, fits)
        if not place.accepted and window.ratio[1] < OCTAVE * window.ratio[0]:
            fits += yield from self._by_patches(small, window)
            place = self._best_of(image, small, rivals(fits, small))
        if not place.accepted:
            return place
        yield Step(0, 1, "looking for lens distortion")
        return self._through_lenses(place, small)

    def _best_of(self, image: Image, small: Field, fits: list[Fit]) -> Placement:
        if not fits:
            return self._nowhere(image, "pyramid")
        place = self._judged(image, small, fits[0], 0.0, "pyramid")
        if len(fits) == 1 or not place.accepted:
            return place
        # A rival counts if it convinces as well, or if the best one hardly does.
        if place.false_alarms < OVERWHELMING and not self._evidence(small, fits[1]).convincing:
            return place
        return self._judged(image, small, fits[0], fits[1].score, "pyramid")

    def _by_patches(self, small: Field, window: Window) -> Generator[Step, None, list[Fit]]:
        """Look for the field by patches: dirt that hides every coarse view leaves some alone."""
        ratio = float(np.sqrt(window.ratio[0] * window.ratio[1]))
        factor = max(1, round(ratio))
        found = yield from votes_steps(
            self.blobs, small.features(factor), factor, ratio, window.angle
        )
        fits = []
        for number, matrix in enumerate(found):
            yield Step(number, len(found), "refining")
            if window.allows(matrix):
                rough = refine_at(self.levels[1], small, matrix)
                fits.append(refine_at(self.levels[0], small, rough.matrix))
        return fits

    def _through_lenses(self, place: Placement, small: Field) -> Placement:
        """Return `place` with the lens distortion that the photos show, if any."""
        factor = max(1, round(place.ratio))
        bent = fit_distortion(
            self.levels[0],
            small.features(factor),
            factor,
            place.matrix,
            (place.field_shape, self.shape),
        )
        if bent is None:
            return place
        matrix = closest_affine(bent.distortion, place.field_shape)
        return replace(place, matrix=matrix, score=bent.score, distortion=bent.distortion)

    def _by_brute_force(
        self, image: Image, small: Field, window: Window
    ) -> Generator[Step, None, Placement]:
        nominal = float(np.sqrt(window.ratio[0] * window.ratio[1]))
        found = yield from brute_force_steps(self.image, image, nominal)
        fit = refine_at(self.levels[found.level], small, found.matrix)
        as_found = Fit(fit.score, found.matrix)
        moved = (fit.matrix - found.matrix) @ [*small.middle, 1.0]
        if np.hypot(*moved[:2]) > 3 * found.factor:
            as_found = Fit(0.0, found.matrix)  # what the spiral found is no place of its own
        return self._judged(image, small, as_found, 0.0, "spiral", evidence_from=fit)

    def _evidence(self, small: Field, fit: Fit) -> Evidence:
        scale = float(np.sqrt(abs(np.linalg.det(fit.matrix[:2, :2]))))
        level = self.levels[block_level(self.levels, min(small.shape) * scale)]
        factor = max(1, round(level.factor / scale))
        matrix = at_level(fit.matrix, level, factor)
        return gather(level, small.features(factor), matrix, CANDIDATES)

    def _judged(
        self,
        image: Image,
        small: Field,
        fit: Fit,
        second: float,
        method: Method,
        evidence_from: Fit | None = None,
    ) -> Placement:
        evidence = self._evidence(small, evidence_from or fit)
        draft = self._placement(image, fit.matrix, fit.score, method)
        accepted, reason = judge(evidence, fit.score, second, draft.overlap)
        return self._placement(
            image,
            fit.matrix,
            fit.score,
            method,
            accepted=accepted,
            reason=reason,
            false_alarms=evidence.false_alarms,
            standard_error=evidence.standard_error,
        )

    def _nowhere(self, image: Image, method: Method) -> Placement:
        reason = "Refused: the field has nothing in common with any place of the overview."
        return self._placement(image, np.eye(3), 0.0, method, reason=reason)

    def _placement(
        self,
        image: Image,
        matrix: npt.NDArray[np.float64],
        score: float,
        method: Method,
        *,
        accepted: bool = False,
        reason: str = "",
        false_alarms: float = float("nan"),
        standard_error: float = float("nan"),
    ) -> Placement:
        return Placement(
            matrix=matrix,
            field_shape=(int(image.shape[0]), int(image.shape[1])),
            overview_shape=self.shape,
            accepted=accepted,
            reason=reason,
            score=score,
            false_alarms=false_alarms,
            standard_error=standard_error,
            field_sha256=sha256_of(image),
            overview_sha256=self.sha256,
            method=method,
        )

    def _check_size(self, image: Image, window: Window) -> None:
        smallest = np.array(image.shape[:2]) / window.ratio[1]
        if (smallest > np.array(self.shape)).all():
            raise MedRefineError(
                f"The field ({image.shape[1]} x {image.shape[0]} pixels) is larger than "
                f"the overview ({self.shape[1]} x {self.shape[0]}) even at a ratio of "
                f"{window.ratio[1]:.4g}; "
                "check the ratio, and whether field and overview are swapped."
            )
        largest = min(image.shape[:2]) / window.ratio[0]
        if largest < SMALLEST:
            raise MedRefineError(
                f"At a ratio of {window.ratio[0]:.4g} the field covers only {largest:.0f} pixels "
                f"of the overview; at least {SMALLEST} are needed."
            )


def register(
    overview: npt.ArrayLike,
    field: npt.ArrayLike,
    *,
    ratio: Ratio = None,
    angle: tuple[float, float] = (-15.0, 15.0),
    method: Method = "pyramid",
) -> Placement:
    """Find where a field (a photo of high magnification) lies on its overview.

    Parameters
    ----------
    overview, field : array-like
        ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``; uint8, uint16 or float, brightfield (the light
        is the background). They may differ in size, dtype, channels, illumination and focus.
    ratio : float, (float, float) or None
        How many field pixels make one overview pixel: the nominal number (10 for 40x on 4x with one
        camera; the search allows for 8 %), a range, or None where it is unknown (2 to 40 are
        searched, which takes longer).
    angle : (float, float)
        Range of camera angles in degrees; ``(-180, 180)`` for any.
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


def _textured(image: npt.ArrayLike, what: str) -> Image:
    array = check_image(image, what)
    if array.min() == array.max():
        raise MedRefineError(f"The {what} is constant (all pixels are {array.flat[0]}).")
    return array


def _large_enough(image: Image, window: Window) -> Window:
    """Return `window` without ratios at which the field would be too small to be told apart."""
    low, high = window.ratio
    return Window((low, max(low, min(high, min(image.shape[:2]) / SMALLEST))), window.angle)


def _window(ratio: Ratio, angle: tuple[float, float]) -> Window:
    if ratio is None:
        low, high = UNKNOWN
    elif isinstance(ratio, tuple | list):
        low, high = (float(value) for value in ratio)
    else:
        low, high = float(ratio) / (1 + TOLERANCE), float(ratio) * (1 + TOLERANCE)
    if not (np.isfinite([low, high]).all() and 0 < low <= high):
        raise MedRefineError(f"The ratio must be a positive number or range, not {ratio!r}.")
    first, last = (float(value) for value in angle)
    if not (np.isfinite([first, last]).all() and first <= last and last - first <= 360):
        raise MedRefineError(f"The angle must be a range in degrees, low to high, not {angle!r}.")
    return Window((low, high), (first, last))
