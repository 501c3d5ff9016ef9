"""The shipped calibrations of the trust map: small files beside the weights, and their use."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medrefine._records import read_record
from napari_medrefine.superres.trust_blocks import Doubles
from napari_medrefine.superres.trust_features import FEATURES

_FOLDER = Path(__file__).parent / "weights"
# One for each pair of weights, faithful and GAN.
TRUST_FILES = {"shipped": _FOLDER / "trust.json", "photo": _FOLDER / "photo-trust.json"}
# The levels at which margins are kept; between them they are interpolated.
LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


class TrustKnot(BaseModel):
    """What was fitted for one scale and realism.

    Attributes
    ----------
    scale, realism : float
        Between the knots of one task, logarithms of half-widths are interpolated.
    intercept, weights : float, tuple of float
        The predicted logarithm of a block's mean absolute error, from `trust_features.FEATURES`.
    margins : tuple of float
        For each of `LEVELS`, what to add to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scale: Annotated[float, Field(ge=1)]
    realism: Annotated[float, Field(ge=0, le=1)]
    intercept: float
    weights: Annotated[tuple[float, ...], Field(min_length=len(FEATURES), max_length=len(FEATURES))]
    margins: Annotated[tuple[float, ...], Field(min_length=len(LEVELS), max_length=len(LEVELS))]

    def log_half_width(self, features: Doubles, level: float) -> Doubles:
        """Return the logarithm of the half-width of each block, in grey levels of 255."""
        margin = np.interp(level, LEVELS, self.margins)
        return np.asarray(features @ np.array(self.weights) + self.intercept + margin)


class TrustModel(BaseModel):
    """The calibration: knots, and the weights they were fitted for.

    Attributes
    ----------
    models : dict
        Name of a model card -> its sha256.
    features : tuple of str
        `trust_features.FEATURES` at the time.
    slides : tuple of str
        What it was fitted and calibrated on.
    knots : tuple of TrustKnot
        Every scale has the same values of realism.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["medrefine-trust"] = "medrefine-trust"
    version: Literal[1] = 1
    models: dict[str, str]
    features: tuple[str, ...]
    slides: tuple[str, ...]
    knots: Annotated[tuple[TrustKnot, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.features != FEATURES:
            raise ValueError("its features are not those of this version")
        if len(self.knots) != len(self._scales) * len(self._realisms):
            raise ValueError("a knot is missing or double")
        return self

    @property
    def largest_scale(self) -> float:
        """The largest enlargement that it knows."""
        return self._scales[-1]

    def half_width(self, features: Doubles, scale: float, realism: float, level: float) -> Doubles:
        """Return the half-width of each block, in grey levels of 255.

        Parameters
        ----------
        features : (..., n) array
            From `trust_features`.
        scale : float
            1: sharpened.
        realism, level : float
            See `trust_map`.
        """
        # Sharpening is another network: nothing is interpolated between it and magnifying.
        scales = [s for s in self._scales if (s == 1) == (scale == 1)]
        total: Doubles = np.zeros(features.shape[:-1])
        for near, share in _between(np.log(scales), np.log(scale)):
            for mixed, part in _between(self._realisms, realism):
                knot = self._knot(scales[near], self._realisms[mixed])
                total += share * part * knot.log_half_width(features, level)
        return np.asarray(np.exp(total))

    def _knot(self, scale: float, realism: float) -> TrustKnot:
        return next(k for k in self.knots if (k.scale, k.realism) == (scale, realism))

    @property
    def _scales(self) -> list[float]:
        return sorted({knot.scale for knot in self.knots})

    @property
    def _realisms(self) -> list[float]:
        return sorted({knot.realism for knot in self.knots})


def _between(knots: list[float] | Doubles, value: float) -> list[tuple[int, float]]:
    """Return which knots lie around `value`, with their shares; at the ends, the last one."""
    place = float(np.interp(value, knots, np.arange(len(knots))))
    first = int(place)
    return [
        (i, share) for i, share in ((first, first + 1 - place), (first + 1, place - first)) if share
    ]


def trust_for(weights: AbstractSet[str]) -> TrustModel | None:
    """Return the calibration for these weights, or None: there is none.

    Parameters
    ----------
    weights : set of str
        The sha256 of each that may have a part in a picture.

    Raises
    ------
    MedRefineError
        If a file is missing or damaged.
    """
    found = (trust for trust in shipped_trusts() if weights <= set(trust.models.values()))
    return next(found, None)


@lru_cache(maxsize=1)
def shipped_trusts() -> tuple[TrustModel, ...]:
    """Read the shipped calibrations.

    Raises
    ------
    MedRefineError
        If one is missing or damaged.
    """
    return tuple(
        read_record(path, TrustModel, "the calibration of a trust map")
        for path in TRUST_FILES.values()
    )
