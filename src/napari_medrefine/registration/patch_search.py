"""Looking for a field by its patches: the keypoints of both photos, at any ratio."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np

from napari_medrefine.progress import Step
from napari_medrefine.registration.field import Field
from napari_medrefine.registration.keypoints import (
    Keypoints,
    Voted,
    turned_votes_steps,
    upright_votes,
)
from napari_medrefine.registration.pyramid import Level, reduction

LEAST = 40  # pixels of a reduced field's shorter side that keypoints need


class Ground(Protocol):
    """What a `Locator` asks of an overview."""

    shape: tuple[int, int]
    levels: tuple[Level, ...]

    @property
    def sha256(self) -> str:
        """Hash of the overview."""

    @property
    def keypoints(self) -> tuple[Keypoints, Level]:
        """Keypoints of the overview, and the level they are on."""


class PatchSearch:
    """The keypoints of a field, at any ratio, beside those of an overview."""

    def __init__(self, ground: Ground, field: Field) -> None:
        self._ground, self.field = ground, field

    def upright(self, ratio: float) -> list[Voted]:
        """Return what patches turned upright vote for."""
        overview, level = self._ground.keypoints
        factor = self._factor(ratio)
        points = self._points(factor)
        if points is None:
            return []
        found = upright_votes(overview, points, ratio * level.factor / factor)
        return [self._up(voted, factor) for voted in found]

    def turned_steps(
        self, ratio: float, angles: tuple[float, float]
    ) -> Generator[Step, None, list[Voted]]:
        """Return what patches vote for at every angle."""
        overview, level = self._ground.keypoints
        factor = self._factor(ratio)
        points = self._points(factor)
        if points is None:
            return []
        zoom = ratio * level.factor / factor
        found = yield from turned_votes_steps(overview, points, zoom, angles)
        return [self._up(voted, factor) for voted in found]

    def _factor(self, ratio: float) -> int:
        return max(1, int(ratio * self._ground.keypoints[1].factor + 1e-6))

    def _points(self, factor: int) -> Keypoints | None:
        return None if min(self.field.shape) < LEAST * factor else self.field.keypoints(factor)

    def _up(self, voted: Voted, factor: int) -> Voted:
        level = self._ground.keypoints[1]
        up = np.linalg.inv(reduction(level.factor))
        return Voted(voted.support, up @ voted.matrix @ reduction(factor))
