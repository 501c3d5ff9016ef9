"""What else puts a field on an overview: OpenCV's keypoints and template matching, scikit-image's.

Each peer is a function of a prepared overview and a field; the field is reduced by its nominal
ratio first, as their users do. Returned is a function from field points to overview points (or
None: not found), and how many inliers or what likeness speak for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from skimage.feature import match_template

Array = np.ndarray
ToOverview = Callable[[Array], Array]


@dataclass(frozen=True)
class Answer:
    """Where a peer puts a field, whether it would say so, and how many inliers say so with it."""

    to_overview: ToOverview | None
    accepted: bool
    inliers: int = 0


def grey(image: Array) -> Array:
    """Return `image` as 8-bit grey."""
    if image.dtype == np.uint16:
        image = (image / 257).astype(np.uint8)
    return image if image.ndim == 2 else cv2.cvtColor(image[..., :3], cv2.COLOR_RGB2GRAY)


def reduced(field: Array, ratio: float) -> Array:
    """Return `field` in grey, at about the overview's pixel size."""
    return cv2.resize(grey(field), None, fx=1 / ratio, fy=1 / ratio, interpolation=cv2.INTER_AREA)


class Keypoints:
    """SIFT or ORB with 20,000 features, a ratio test, RANSAC, and at least 12 inliers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._make = {"SIFT": cv2.SIFT_create, "ORB": cv2.ORB_create}[name](20_000)
        norm = {"SIFT": cv2.NORM_L2, "ORB": cv2.NORM_HAMMING}[name]
        self._matcher = cv2.BFMatcher(norm)

    def prepare(self, overview: Array) -> Any:
        """Find the overview's keypoints."""
        return self._make.detectAndCompute(grey(overview), None)

    def place(self, prepared: Any, field: Array, ratio: float) -> Answer:
        """Match a field."""
        small = reduced(field, ratio)
        known, described = prepared
        points, descriptors = self._make.detectAndCompute(small, None)
        if descriptors is None or len(points) < 2:
            return Answer(None, False)
        pairs = [p for p in self._matcher.knnMatch(descriptors, described, 2) if len(p) == 2]
        good = [a for a, b in pairs if a.distance < 0.8 * b.distance]
        if len(good) < 4:
            return Answer(None, False)
        matrix, inliers = cv2.estimateAffinePartial2D(
            np.array([points[m.queryIdx].pt for m in good]),
            np.array([known[m.trainIdx].pt for m in good]),
            ransacReprojThreshold=2,
            maxIters=20_000,
        )
        if matrix is None:
            return Answer(None, False)
        support = int(inliers.sum())
        return Answer(_from_small(matrix, field, small), support >= 12, support)


class Template:
    """Normalised cross-correlation at the nominal ratio, not turned: OpenCV's, scikit-image's."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, overview: Array) -> Array:
        """Return the overview in grey."""
        return grey(overview)

    def place(self, prepared: Array, field: Array, ratio: float) -> Answer:
        """Slide a field over it."""
        small = reduced(field, ratio)
        if min(np.subtract(prepared.shape, small.shape)) < 0:
            return Answer(None, False)
        if self.name == "cv2.matchTemplate":
            score = cv2.matchTemplate(prepared, small, cv2.TM_CCOEFF_NORMED)
        else:
            score = match_template(prepared.astype(np.float32), small.astype(np.float32))
        row, col = np.unravel_index(int(np.argmax(score)), score.shape)
        matrix = np.array([[1.0, 0, col], [0, 1.0, row]])
        return Answer(_from_small(matrix, field, small), bool(score.max() > 0.5))


def _from_small(matrix: Array, field: Array, small: Array) -> ToOverview:
    """Return the map of field points that an (x, y) `matrix` of the reduced field stands for."""
    shrink = np.array(small.shape[:2]) / np.array(field.shape[:2])

    def to_overview(points: Array) -> Array:
        xy = ((points + 0.5) * shrink - 0.5)[:, ::-1]
        return (xy @ matrix[:, :2].T + matrix[:, 2])[:, ::-1]

    return to_overview
