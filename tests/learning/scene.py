"""A scene that is known everywhere, seen by an overview and by fields that lie on it anyhow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medrefine.learning import LearnField
from napari_medrefine.registration import Placement
from napari_medrefine.registration.lens import Lens
from napari_medrefine.registration.placement import Distortion, similarity

SHAPE = (150, 160)  # of the overview
Doubles = npt.NDArray[np.float64]


class Scene:
    """Waves in all directions: long ones, which no photo changes, and faint ones for fields only.

    The long ones are 8 overview pixels and more, the fine ones 1.2 to 2: an overview blurs these
    away.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.coarse = _waves(rng, 24, (8.0, 32.0))
        self.fine = _waves(rng, 24, (1.2, 2.0))

    def at(self, points: Doubles, *, fine: bool = True) -> Doubles:
        """Return ``(N, 3)`` values from 0 to 1 at ``(N, 2)`` overview pixels."""
        value = 0.5 + 0.03 * _sum(points, *self.coarse)
        return np.clip(value + 0.006 * _sum(points, *self.fine) if fine else value, 0, 1)

    def overview(self) -> npt.NDArray[np.uint8]:
        """Return the overview."""
        return _bytes(self.at(_grid(SHAPE), fine=False).reshape(*SHAPE, 3))

    def field(self, placement: Placement) -> npt.NDArray[np.uint8]:
        """Return the field that lies where `placement` says."""
        shape = placement.field_shape
        return _bytes(self.at(placement.to_overview(_grid(shape))).reshape(*shape, 3))

    def fields(self, *placements: Placement) -> list[LearnField]:
        """Return fields, named by number."""
        return [LearnField(f"field {k}", self.field(p), p) for k, p in enumerate(placements)]


def placed(
    ratio: float = 10.0,
    angle: float = 3.0,
    middle: tuple[float, float] = (74.3, 80.8),
    shape: tuple[int, int] = (500, 560),
    bent: float = 0.0,
    *,
    accepted: bool = True,
) -> Placement:
    """Return the placement of a field whose middle lies at `middle` of the overview."""
    matrix = similarity(ratio, angle, (np.array(shape) - 1) / 2, np.array(middle))
    lens = Distortion(matrix, Lens(shape, bent), Lens(SHAPE, 0.0)) if bent else None
    return Placement(matrix, shape, SHAPE, accepted, "as made", 0.9, distortion=lens)


def _waves(
    rng: np.random.Generator, count: int, lengths: tuple[float, float]
) -> tuple[Doubles, Doubles]:
    length, angle = rng.uniform(*lengths, count), rng.uniform(0, 2 * np.pi, count)
    waves = 2 * np.pi / length * np.stack([np.cos(angle), np.sin(angle)])
    return waves, rng.uniform(0, 2 * np.pi, (count, 3))


def _sum(points: Doubles, waves: Doubles, phases: Doubles) -> Doubles:
    phase = (points @ waves).astype(np.float32)[..., None]
    return sum(np.sin(phase[:, k] + phases[k].astype(np.float32)) for k in range(len(phases)))


def _grid(shape: tuple[int, int]) -> Doubles:
    return np.stack(np.mgrid[: shape[0], : shape[1]], -1).reshape(-1, 2).astype(np.float64)


def _bytes(unit: Doubles) -> npt.NDArray[np.uint8]:
    return np.rint(unit * 255).astype(np.uint8)
