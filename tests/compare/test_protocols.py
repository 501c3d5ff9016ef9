"""The inputs of an evaluation: what optics and sampling make of a sharp image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage as ndi
from skimage.data import immunohistochemistry
from torch.nn import functional as nnf

from napari_medrefine.compare import (
    PROTOCOLS,
    bicubic_protocol,
    metrics,
    optical_protocol,
    study_protocol,
)
from napari_medrefine.compare.filters import bicubic
from napari_medrefine.errors import MedRefineError
from napari_medrefine.superres.optics import Degradation, project


@pytest.fixture(scope="module")
def sharp() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(immunohistochemistry()[:192, 100:356])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_reduction_is_that_of_torch_and_of_the_training(
    scale: int, sharp: npt.NDArray[np.uint8]
) -> None:
    unit = np.float32(sharp[:, :240]) / 255
    ours = bicubic_protocol(scale).reduce(unit)
    planes = torch.from_numpy(unit).permute(2, 0, 1)[None]
    theirs = nnf.interpolate(planes, scale_factor=1 / scale, mode="bicubic", antialias=True)
    np.testing.assert_allclose(ours, theirs[0].permute(1, 2, 0).numpy(), atol=2e-6)
    how = Degradation(scale, sampling="bicubic")
    trained = project(unit, how.matrix(192), how.matrix(240))
    np.testing.assert_allclose(ours, trained, atol=2e-6)


def test_the_optical_track_is_blur_sampling_and_noise(sharp: npt.NDArray[np.uint8]) -> None:
    protocol = optical_protocol(4)
    blurred = ndi.gaussian_filter(np.float64(sharp), (1.85, 1.85, 0), mode="reflect")
    expected = blurred.reshape(48, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(255 * protocol.reduce(np.float32(sharp) / 255) - expected).max() < 1e-2
    noise = protocol.degrade(sharp) - expected
    assert noise.std() == pytest.approx(1.5, rel=0.05)
    assert abs(noise.mean()) < 0.05
    np.testing.assert_array_equal(protocol.degrade(sharp), protocol.degrade(sharp))


def test_the_study_s_tiles_are_taken_halved_or_as_they_are(sharp: npt.NDArray[np.uint8]) -> None:
    halved, tiles = study_protocol(), study_protocol(halved=False)
    assert halved.prepare(sharp).shape == (96, 128, 3)
    assert tiles.prepare(sharp) is sharp
    small = np.float32(sharp).reshape(96, 2, 128, 2, 3).mean((1, 3))
    by_hand = np.clip(np.rint(bicubic(small, 2)), 0, 255)
    assert np.abs(tiles.degrade(sharp) - by_hand).max() <= 1
    # The finer the pixels, the less is lost: the study's own pixel size is the easier task.
    costs = [metrics.mse(p.degrade(p.prepare(sharp)), p.prepare(sharp)) for p in (halved, tiles)]
    assert costs[1] < costs[0]


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_inputs_have_the_dtype_and_range_of_the_sharp_image(
    name: str, dtype: type, sharp: npt.NDArray[np.uint8]
) -> None:
    protocol = PROTOCOLS[name]
    white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    image = (sharp[..., 0].astype(np.float64) / 255 * white).astype(dtype)
    expected = protocol.degrade(sharp[..., 0]).astype(float) / 255
    given = protocol.degrade(image)
    assert given.dtype == dtype
    assert np.abs(given.astype(float) / white - expected).max() < (0.04 if protocol.noise else 3e-3)


def test_a_scale_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(MedRefineError, match="whole scale"):
        bicubic_protocol(1.5)  # type: ignore[arg-type]
