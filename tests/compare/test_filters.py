"""The plain filters: same dtype and size as promised, and right where the answer is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage as ndi
from skimage import restoration
from skimage.data import immunohistochemistry

from napari_medrefine.compare import filters, metrics
from napari_medrefine.errors import MedRefineError

ENLARGING = [filters.nearest, filters.bicubic, filters.lanczos, filters.back_projection]
SHARPENING = [filters.unsharp_mask, filters.richardson_lucy, filters.wiener]


@pytest.fixture(scope="module")
def sharp() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(immunohistochemistry()[100:292, 200:392])


def variants(image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.generic]]:
    alpha = np.full((*image.shape[:2], 1), 200, np.uint8)
    return {
        "rgb": image,
        "grey": image[..., 0],
        "rgba": np.concatenate([image, alpha], -1),
        "uint16": image.astype(np.uint16) * 257,
        "float01": image.astype(np.float32) / 255,
        "float64 255": image.astype(np.float64),
    }


@pytest.mark.parametrize("method", ENLARGING)
@pytest.mark.parametrize("kind", ["rgb", "grey", "rgba", "uint16", "float01", "float64 255"])
def test_enlarging_keeps_dtype_range_and_place(method: object, kind: str, sharp: object) -> None:
    image = variants(sharp)[kind][:61, :47]
    for scale in (1, 2.5, 4):
        result = method(image, scale)
        assert result.dtype == image.dtype
        assert result.shape == (round(61 * scale), round(47 * scale), *image.shape[2:])
        assert abs(result.astype(float).mean() / image.astype(float).mean() - 1) < 0.01
    np.testing.assert_allclose(method(image, 1), image, atol=1e-6 * float(image.max()))


@pytest.mark.parametrize("method", ENLARGING)
def test_enlarging_does_not_move_the_picture(method: object) -> None:
    """Pixel centres at whole numbers: r_large = 4 r + 1.5."""
    rows, cols = np.mgrid[:40, :40]
    spot = np.exp(-((rows - 17.3) ** 2 + (cols - 22.6) ** 2) / 18)
    large = method(spot, 4)
    np.testing.assert_allclose(
        ndi.center_of_mass(large), (4 * 17.3 + 1.5, 4 * 22.6 + 1.5), atol=0.05
    )


@pytest.mark.parametrize("method", SHARPENING)
@pytest.mark.parametrize("kind", ["rgb", "grey", "rgba", "uint16", "float01", "float64 255"])
def test_sharpening_keeps_dtype_shape_and_mean(method: object, kind: str, sharp: object) -> None:
    image = variants(sharp)[kind]
    result = method(image)
    assert result.dtype == image.dtype
    assert result.shape == image.shape
    assert abs(result.astype(float).mean() / image.astype(float).mean() - 1) < 0.02
    assert metrics.high_frequency_ratio(result, image) > 1.2
    if kind == "rgba":
        np.testing.assert_array_equal(result[..., 3], 200)


@pytest.mark.parametrize("method", SHARPENING)
def test_sharpening_undoes_a_blur(method: object, sharp: npt.NDArray[np.uint8]) -> None:
    blurred = ndi.gaussian_filter(sharp.astype(float), (1, 1, 0))
    assert metrics.psnr(method(blurred), sharp.astype(float)) > metrics.psnr(
        blurred, sharp.astype(float)
    )


@pytest.mark.parametrize("method", SHARPENING)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_areas_stay_plain_up_to_the_border(method: object, value: int) -> None:
    image = np.full((50, 60, 3), value, np.uint8)
    np.testing.assert_allclose(method(image).astype(int), value, atol=1)


def test_unsharp_mask_defines_every_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-image 0.26 with channel_axis=-1 leaves the colours as it found the memory."""
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    expected = np.stack([filters.unsharp_mask(image[..., k]) for k in range(3)], -1)

    def dirty(like: npt.NDArray[np.generic], dtype: object = None, **_: object) -> object:
        return np.full(like.shape, 1e6, dtype or like.dtype)

    monkeypatch.setattr(np, "empty_like", dirty)
    np.testing.assert_array_equal(filters.unsharp_mask(image), expected)


def test_unsharp_mask_repeats_itself_and_sharpens_each_channel_alone(
    sharp: npt.NDArray[np.uint8],
) -> None:
    """Uninitialised memory would differ from call to call, and between colour and grey."""
    first = filters.unsharp_mask(sharp, radius=1.5, amount=2)
    scratch = [np.full(sharp.shape, k, np.float32) for k in range(8)]  # other rubbish to find
    del scratch
    np.testing.assert_array_equal(filters.unsharp_mask(sharp, radius=1.5, amount=2), first)
    alone = [filters.unsharp_mask(sharp[..., k], radius=1.5, amount=2) for k in range(3)]
    np.testing.assert_array_equal(first, np.stack(alone, -1))
    by_hand = sharp + 2 * (sharp - ndi.gaussian_filter(np.float64(sharp), (1.5, 1.5, 0)))
    inside = (slice(8, -8), slice(8, -8))
    assert np.abs(first - np.clip(by_hand, 0, 255))[inside].max() < 1


def test_richardson_lucy_is_that_of_scikit_image(sharp: npt.NDArray[np.uint8]) -> None:
    light = np.float32(sharp) / 255
    at = np.arange(-4, 5)
    line = np.exp(-(at**2) / 2)
    psf = np.outer(line, line) / line.sum() ** 2
    theirs = [restoration.richardson_lucy(light[..., k], psf, 6, clip=False) for k in range(3)]
    ours = filters.richardson_lucy(light, sigma=1, rounds=6)
    inside = (slice(52, -52), slice(52, -52))  # twelve blurs; they see black beyond the border
    np.testing.assert_allclose(ours[inside], np.stack(theirs, -1)[inside], atol=1e-5)


def test_back_projection_gives_its_input_back_and_beats_bicubic(
    sharp: npt.NDArray[np.uint8],
) -> None:
    given = sharp.astype(np.float32).reshape(48, 4, 48, 4, 3).mean((1, 3))
    back, plain = filters.back_projection(given, 4), filters.bicubic(given, 4)
    assert metrics.consistency(back, given) < 0.1 < metrics.consistency(plain, given)
    truth = sharp.astype(np.float32)
    assert metrics.psnr(back, truth) > metrics.psnr(plain, truth) + 0.3
    np.testing.assert_array_equal(filters.back_projection(given, 4, rounds=0), plain)


def test_back_projection_from_4x_to_10x_gives_its_input_back(
    sharp: npt.NDArray[np.uint8],
) -> None:
    fine = sharp[:190, :190].astype(np.float64) / 255
    # Five sharp pixels make two: the one in the middle is shared out.
    share = np.kron(np.eye(38), [[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    given = np.einsum("ij,jkc,lk->ilc", share, fine, share)
    back = filters.back_projection(given, 2.5, rounds=40)
    again = np.einsum("ij,jkc,lk->ilc", share, back, share)
    assert 255 * np.abs(again - given).mean() < 0.1
    assert metrics.psnr(back, fine) > metrics.psnr(filters.bicubic(given, 2.5), fine) + 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: filters.bicubic(image, 0.5), "1 or more"),
        (lambda image: filters.bicubic(image, float("nan")), "1 or more"),
        (lambda image: filters.wiener(image, sigma=0), "positive"),
        (lambda _: filters.unsharp_mask(np.zeros((3, 3, 3, 3))), "shape"),
        (lambda _: filters.richardson_lucy(np.full((5, 5), np.nan)), "NaN"),
    ],
)
def test_impossible_calls_are_refused(call: object, message: str, sharp: object) -> None:
    with pytest.raises(MedRefineError, match=message):
        call(sharp)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7, 3), (2, 2)])
def test_images_smaller_than_the_blur_are_sharpened_too(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 162, np.uint8)
    for sharpen in (filters.wiener, filters.richardson_lucy, filters.unsharp_mask):
        np.testing.assert_array_equal(sharpen(image), image)
