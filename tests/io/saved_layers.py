"""What the tests of saved layers share: pixels, opening a file in napari, and comparing layers."""

from __future__ import annotations

from typing import Any

import numpy as np


def noise(shape, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return np.shape(one) == np.shape(other) and np.array_equal(one, other)
    return bool(one == other)


def assert_same(layer, again, but=()):
    data, state, _ = layer.as_layer_data_tuple()
    other, found, _ = again.as_layer_data_tuple()
    first, second = (x[0] if layer.multiscale else x for x in (data, other))
    assert np.asarray(second).dtype == np.asarray(first).dtype
    np.testing.assert_array_equal(np.asarray(second), np.asarray(first))
    assert [key for key in state if key not in but and not same(state[key], found[key])] == []


def opened(path):
    from napari.components import ViewerModel

    target = path / "zarr.json" if path.is_dir() else path
    return ViewerModel().open(str(target), plugin="napari-medrefine")
