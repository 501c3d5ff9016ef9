"""Filters at their best: parameters chosen on other slides, so that the comparison is fair."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from functools import partial
from itertools import product

import numpy as np

from napari_medrefine.compare import filters, metrics
from napari_medrefine.compare.evaluate import Method, Sample, prepared
from napari_medrefine.compare.protocols import Protocol
from napari_medrefine.errors import MedRefineError
from napari_medrefine.images import Image
from napari_medrefine.progress import Step

_SIDE = 192  # pixels of each image's middle that are tuned on
_SIGMAS = (0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 2.7, 3.3, 4.0, 4.8)
_GRIDS: dict[str, tuple[Callable[..., Image], dict[str, tuple[float, ...]]]] = {
    "unsharp mask": (
        filters.unsharp_mask,
        {
            "radius": (0.7, 1.0, 1.5, 2.0, 3.0, 4.0),
            "amount": (0.25, 0.5, 0.8, 1.2, 1.8, 2.7, 4.0, 6.0),
        },
    ),
    "Richardson-Lucy": (
        filters.richardson_lucy,
        {"sigma": _SIGMAS, "rounds": (2, 5, 10, 20, 40, 80, 160)},
    ),
    "Wiener": (filters.wiener, {"sigma": _SIGMAS, "balance": (0.005, 0.02, 0.08, 0.3)}),
}


Parameters = dict[str, dict[str, float]]  # filter -> its parameters


def tune_steps(
    samples: Collection[Sample], protocol: Protocol
) -> Generator[Step, None, dict[str, Method]]:
    """Return each sharpening filter at its best on `samples`, ready for `evaluate_steps`.

    The names tell the parameters. Arguments and errors are those of `parameters_steps`.
    """
    return tuned_methods((yield from parameters_steps(samples, protocol)))


def parameters_steps(
    samples: Collection[Sample], protocol: Protocol
) -> Generator[Step, None, Parameters]:
    """Choose each sharpening filter's parameters by the smallest mean squared error on `samples`.

    Parameters
    ----------
    samples : collection of Sample
        From slides that are not evaluated afterwards; a 192-pixel middle of each is used.
    protocol : Protocol
        For magnifying, the filters sharpen the bicubic enlargement.

    Returns
    -------
    dict of name to parameters
        For `tuned_methods`.

    Raises
    ------
    MedRefineError
        If there are no samples, or as `evaluate_steps`.
    """
    if not len(samples):
        raise MedRefineError("There are no images to tune the filters on.")
    examples = [_middle(*prepared(sample, protocol), protocol) for sample in samples]
    trials = [(name, values) for name in _GRIDS for values in _combinations(_GRIDS[name][1])]
    best: dict[str, tuple[float, dict[str, float]]] = {}
    for n, (name, values) in enumerate(trials):
        yield Step(n, len(trials), f"tuning {name}")
        method = partial(_GRIDS[name][0], **values)
        error = float(np.mean([metrics.mse(method(given), sharp) for given, sharp in examples]))
        if name not in best or error < best[name][0]:
            best[name] = (error, values)
    return {name: values for name, (_, values) in best.items()}


def default_methods() -> dict[str, Method]:
    """Return the sharpening filters at their defaults, after bicubic enlargement."""
    return {name: _method(name, {}) for name in _GRIDS}


def tuned_methods(parameters: Parameters) -> dict[str, Method]:
    """Return the sharpening filters at `parameters`, after bicubic enlargement.

    Raises
    ------
    MedRefineError
        If there is no such filter.
    """
    for name in parameters:
        if name not in _GRIDS:
            raise MedRefineError(f"There is no filter named {name} to tune.")
    return {_named(name, values): _method(name, values) for name, values in parameters.items()}


def grid_ends(parameters: Parameters) -> list[str]:
    """Return which of `parameters` lie at an end of what was tried: the best may lie beyond."""
    ends = []
    for name, values in parameters.items():
        for key, value in values.items():
            tried = _GRIDS[name][1][key]
            if value in (tried[0], tried[-1]):
                ends.append(f"{name}: {key} {value:g}")
    return ends


def _combinations(grid: dict[str, tuple[float, ...]]) -> list[dict[str, float]]:
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _named(name: str, values: dict[str, float]) -> str:
    return f"{name} ({', '.join(f'{key} {value:g}' for key, value in values.items())})"


def _method(name: str, values: dict[str, float]) -> Method:
    sharpen = _GRIDS[name][0]

    def method(image: Image, scale: float) -> Image:
        return sharpen(filters.bicubic(image, scale), **values)

    return method


def _middle(given: Image, sharp: Image, protocol: Protocol) -> tuple[Image, Image]:
    """Return the enlarged input and the sharp image, cut to the middle."""
    large = filters.bicubic(given, protocol.scale)
    top, left = (max(0, (n - _SIDE) // 2) for n in sharp.shape[:2])
    where = (slice(top, top + _SIDE), slice(left, left + _SIDE))
    return large[where], sharp[where]
