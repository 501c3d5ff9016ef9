"""Measuring against a photo of the same place: known errors, gains and shifts must come back."""

from __future__ import annotations

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.data import immunohistochemistry

from napari_medrefine.compare import filters, metrics
from napari_medrefine.compare.evaluate import NOTHING, Summary
from napari_medrefine.compare.pairs import Measured, Pair, measure_steps
from napari_medrefine.compare.placed import Grid, Placed, sampled
from napari_medrefine.compare.words import explain
from napari_medrefine.errors import MedRefineError
from napari_medrefine.progress import JobStopped, finish, look_up, stoppable

Image = npt.NDArray[np.generic]
SAME = np.eye(3)
LINE = np.arange(256.0)


def divided(factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> npt.NDArray[np.float64]:
    """The way to an image with `factor` times as many pixels, displaced by `shift` of its own."""
    matrix = np.diag([factor, factor, 1.0])
    matrix[:2, 2] = (factor - 1) / 2 + np.array(shift)
    return matrix


@pytest.fixture(scope="module")
def tissue() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(immunohistochemistry()[:256, :256])


@pytest.fixture(scope="module")
def small(tissue: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.rint(tissue.reshape(64, 4, 64, 4, 3).mean((1, 3))).astype(np.uint8)


def measured(pair: Pair, **methods: object) -> Measured:
    return finish(measure_steps(pair, methods))  # type: ignore[arg-type]


def row(result: Measured, method: str) -> Summary:
    return result.score(method)


def test_a_known_error_is_what_is_measured(tissue: npt.NDArray[np.uint8]) -> None:
    sharp = np.clip(tissue, 0, 240)
    brighter = np.asarray(sharp + 5, np.uint8)
    result = measured(Pair("p", "s", brighter, Placed("the original", sharp, SAME), match="none"))
    assert row(result, NOTHING).mse == pytest.approx(25)
    assert row(result, NOTHING).psnr == pytest.approx(10 * np.log10(255**2 / 25))
    assert row(result, NOTHING).ssim == pytest.approx(metrics.ssim(brighter, sharp))
    assert result.share == 1
    assert result.common.shift.length == 0
    assert "no match" in result.notes[1]


def test_a_network_is_stopped_before_it_is_done(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    begun: list[str] = []

    def network(image: Image, _: float) -> Image:
        begun.append("network")
        look_up()
        begun.append("done")
        return image

    pair = Pair("p", "s", small, Placed("the 40x", tissue, divided(4)), match="none")
    with stoppable(lambda: bool(begun)), pytest.raises(JobStopped):
        measured(pair, network=network)
    assert begun == ["network"]


def test_the_other_camera_s_gain_and_offset_are_found(tissue: npt.NDArray[np.uint8]) -> None:
    gains, offsets = np.array([0.8, 0.7, 0.9]), np.array([20, 30, 10])
    other = np.rint(tissue * gains + offsets).astype(np.uint8)
    result = measured(Pair("p", "s", tissue, Placed("the other", other, SAME), match="gain"))
    np.testing.assert_allclose(result.common.match.terms[:, 1], 1 / gains, rtol=0.01)
    np.testing.assert_allclose(255 * result.common.match.terms[:, 0], -offsets / gains, atol=1.0)
    assert row(result, NOTHING).mse < 1
    assert "R x 1.25" in result.notes[1]
    raw = measured(Pair("p", "s", tissue, Placed("the other", other, SAME), match="none"))
    assert row(raw, NOTHING).mse > 50


def test_vignetting_is_taken_up_and_dirt_is_not_fitted(tissue: npt.NDArray[np.uint8]) -> None:
    rows, cols = np.mgrid[-1:1:256j, -1:1:256j]
    light = 1 - 0.15 * (rows**2 + cols**2) / 2 + 0.05 * cols
    other = np.rint(tissue * light[..., None]).astype(np.uint8)
    other[20:50, 20:50] = 10
    pair = Pair("p", "s", tissue, Placed("the other", other, SAME), match="shading")
    result = measured(pair)
    clean = np.s_[80:, 80:]
    unit = other.astype(np.float32) / 255
    matched = 255 * result.common.match.apply(unit, LINE, LINE)[clean]
    assert np.abs(matched - tissue[clean]).mean() < 1.5
    gain = measured(Pair("p", "s", tissue, Placed("the other", other, SAME), match="gain"))
    assert (
        np.abs(255 * gain.common.match.apply(unit, LINE, LINE)[clean] - tissue[clean]).mean() > 2.5
    )


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -2.5), (-3.0, 0.5)])
def test_a_known_shift_is_reported(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8], shift: tuple[float, float]
) -> None:
    """The way is `shift` pixels of the sharp photo wrong, four of which make one of the input."""
    result = measured(Pair("p", "s", small, Placed("40x", tissue, divided(4, shift)), pixel_um=2.0))
    found = np.array([result.common.shift.rows, result.common.shift.cols])
    # What lies `shift` further on in the photo is shown here: its content lies the other way.
    np.testing.assert_allclose(found, -np.array(shift) / 4, atol=0.06)
    if np.any(shift):
        assert result.common.shift.after > result.common.shift.before
    assert f"{result.common.shift.length:.2f} input pixels" in result.notes[2]
    assert f"({2 * result.common.shift.length:.2f} um)" in result.notes[2]


def test_what_lies_elsewhere_is_not_measured(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(MedRefineError, match="register them again"):
        measured(Pair("p", "s", small, Placed("40x", tissue, divided(4, (20, 0)))))
    with pytest.raises(MedRefineError, match="covered by 40x"):
        measured(Pair("p", "s", small, Placed("40x", tissue, divided(4, (1e4, 0)))))
    with pytest.raises(MedRefineError, match="24 x 24 are needed"):
        measured(Pair("p", "s", small, Placed("40x", tissue, divided(4)), rows=(0, 10)))


def test_the_reference_is_never_enlarged(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    half = np.rint(tissue.reshape(128, 2, 128, 2, 3).mean((1, 3))).astype(np.uint8)
    result = measured(Pair("p", "s", small, Placed("10x", half, divided(2)), scale=4.0))
    assert result.common.scale == pytest.approx(2)
    assert "never enlarged" in result.notes[0]


def test_layers_are_measured_on_the_same_grid(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    wrong = np.asarray(np.clip(tissue, 0, 247) + 8, np.uint8)
    black = np.zeros_like(tissue)
    deep = tissue.astype(np.uint16)  # 8-bit values in 16 bits: taken for a 12-bit camera's
    cast = (tissue > 128).astype(np.uint8)
    away = np.eye(3)
    away[0, 2] = 1e4
    layers = {"right": tissue, "wrong": wrong, "black": black, "deep": deep, "cast": cast}
    placed = tuple(Placed(name, image, divided(4)) for name, image in layers.items())
    result = measured(
        Pair(
            "p", "s", small, Placed("40x", tissue, divided(4)), 4.0,
            (*placed, Placed("away", tissue, away)), match="none",
        )
    )  # fmt: skip
    assert row(result, "right").mse < 0.01
    assert 50 < row(result, "wrong").mse <= 64
    refused = result.evaluation.refused
    assert set(refused) == {"black", "deep", "cast", "away"}
    assert "times darker" in refused["deep"]
    assert "only 0 and 1" in refused["cast"]
    assert "only 0 and 1" in refused["black"]
    assert "does not" in refused["away"]
    assert not {"black", "deep"} & set(result.evaluation.methods)


@pytest.mark.parametrize("scale", [2.5, 2.47, 4])
def test_the_truth_does_not_contradict_its_own_input(
    tissue: npt.NDArray[np.uint8], scale: float
) -> None:
    side = int(256 / scale)
    fine = round(side * scale)
    reference = tissue[:fine, :fine]
    # What a coarse pixel sees of each fine one, from the light up to its edges.
    light = np.pad(np.cumsum(reference, axis=0, dtype=np.float64), ((1, 0), (0, 0), (0, 0)))
    edges = np.linspace(0, fine, side + 1)
    rows = np.diff(_at(light, edges), axis=0)
    light = np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0), (0, 0)))
    columns = np.diff(_at(light.swapaxes(0, 1), edges), axis=0).swapaxes(0, 1)
    given = np.rint(columns * (side / fine) ** 2).astype(np.uint8)
    way = divided(fine / side)
    pair = Pair("p", "s", given, Placed("40x", reference, way), match="none", scale=scale,
                layers=(Placed("the truth", reference, way),))  # fmt: skip
    assert row(measured(pair), "the truth").consistency < 0.6  # the input is rounded


def _at(light: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> Image:
    """Interpolate between rows."""
    first = np.minimum(edges.astype(int), len(light) - 2)
    share = (edges - first)[:, None, None]
    return light[first] * (1 - share) + light[first + 1] * share


def test_a_layer_that_ends_with_the_region_does_not_contradict_its_input(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    part = {"rows": (16, 48), "cols": (16, 48)}
    ends = Placed("ends there", tissue[64:192, 64:192], divided(4, (-64, -64)))
    pair = Pair(
        "p", "s", small, Placed("the 40x", tissue, divided(4)), 4, (ends,), match="none", **part
    )
    assert row(measured(pair), "ends there").consistency < 0.3  # the input was rounded


def test_a_filter_worse_than_black_is_refused(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    def forgot(image: Image, scale: float) -> Image:
        return np.asarray(ndi.zoom(image, (scale, scale, 1), order=0) / 255, np.float32)

    pair = Pair("p", "s", small, Placed("40x", tissue, divided(4)), 4.0)
    result = measured(pair, forgot=forgot)
    assert "no better than a black image" in result.evaluation.refused["forgot"]


def test_a_black_input_gives_no_number(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    dark = np.zeros_like(small)
    with pytest.raises(MedRefineError, match="only 0 and 1"):
        measured(Pair("p", "s", dark, Placed("40x", tissue, divided(4)), 4.0, match="none"))
    dark[::2] = 3
    result = measured(Pair("p", "s", dark, Placed("40x", tissue, divided(4)), 4.0, match="none"))
    assert not result.scores
    assert "no better than a black image" in explain(result, ("faithful",))
    with pytest.raises(MedRefineError, match="different ranges"):
        measured(Pair("p", "s", dark, Placed("40x", tissue, divided(4)), 4.0, match="gain"))


def test_words_and_windows_agree_with_the_numbers(tissue: npt.NDArray[np.uint8]) -> None:
    """A large pair is measured in windows; the whole is that of all pixels, the words are its."""
    large = np.ascontiguousarray(np.tile(tissue, (4, 4, 1))[:800, :800])
    noise = np.random.default_rng(0).normal(0, 8, large.shape)
    noise[:400] *= 2
    worse = np.clip(large + noise, 0, 255).round().astype(np.uint8)

    def ours(image: Image, _: float) -> Image:
        return np.asarray(ndi.gaussian_filter(image, (0.7, 0.7, 0)), np.float32)

    result = measured(Pair("p", "s", worse, Placed("it", large, SAME), match="none"), ours=ours)
    assert len({r.image for r in result.evaluation.rows}) == 4
    score = row(result, NOTHING)
    assert score.mse == pytest.approx(metrics.mse(worse, large), rel=1e-4)
    assert score.psnr == pytest.approx(metrics.psnr(worse, large), abs=1e-3)
    assert score.ssim == pytest.approx(metrics.ssim(worse, large), abs=2e-3)
    assert score.colour == pytest.approx(metrics.colour_difference(worse, large), rel=1e-3)
    truth = metrics.high_frequency_ratio(worse, large)
    assert score.detail == pytest.approx(truth, rel=0.01)
    gain = row(result, "ours").psnr - score.psnr
    assert gain > 1
    said = explain(result, ("Wiener, default", "absent", "ours"), "the original").split("\n\n")
    assert f"ours weights are {gain:.2f} dB nearer to the original than doing" in said[0]
    assert said[-1] == "absent: not measured."


@pytest.mark.parametrize("kind", ["uint16", "float", "grey", "alpha"])
def test_other_dtypes_and_channels_are_compared_rightly(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8], kind: str
) -> None:
    other: dict[str, Image] = {
        "uint16": tissue.astype(np.uint16) * 257,
        "float": tissue.astype(np.float32) / 255,
        "grey": np.rint(tissue.mean(-1)).astype(np.uint8),
        "alpha": np.dstack([tissue, np.full((256, 256), 255, np.uint8)]),
    }
    plain = measured(Pair("p", "s", small, Placed("40x", tissue, divided(4)), 4.0))
    result = measured(Pair("p", "s", small, Placed("40x", other[kind], divided(4)), 4.0))
    if kind == "grey":
        assert 0.5 < row(result, NOTHING).mse / row(plain, NOTHING).mse < 1.5
    else:
        assert row(result, NOTHING).mse == pytest.approx(row(plain, NOTHING).mse, rel=0.01)


def test_transparent_pixels_do_not_count(
    tissue: npt.NDArray[np.uint8], small: npt.NDArray[np.uint8]
) -> None:
    alpha = np.zeros((256, 256), np.uint8)
    alpha[:, :128] = 255
    dirty = tissue.copy()
    dirty[:, 128:] = 0
    seen = np.dstack([dirty, alpha])
    result = measured(Pair("p", "s", small, Placed("40x", seen, divided(4)), 4.0, match="none"))
    pixels = sum(r.pixels for r in result.evaluation.rows if r.method == NOTHING)
    assert 0.4 < pixels / 256**2 < 0.55
    assert row(result, NOTHING).mse < 1000


@settings(max_examples=12, deadline=None)
@hypothesis_given(
    angle=st.floats(-15, 15), ratio=st.floats(1.0, 4.5), at=st.tuples(*[st.floats(20, 40)] * 2)
)
def test_a_placed_image_is_seen_where_it_lies(
    angle: float, ratio: float, at: tuple[float, float]
) -> None:
    """A smooth function of the place, photographed askew, is the same function on the grid."""
    turn = np.radians(angle)
    linear = ratio * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    way = np.eye(3)
    way[:2, :2], way[:2, 2] = linear, np.array([70 * ratio, 70 * ratio]) - linear @ at

    def scene(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 0.5 + 0.2 * np.sin(points[..., 0] / 5) + 0.2 * np.cos(points[..., 1] / 7)

    side = round(140 * ratio)
    pixels = np.moveaxis(np.mgrid[:side, :side], 0, -1) - way[:2, 2]
    photo = scene(pixels @ np.linalg.inv(linear).T).astype(np.float32)
    grid = Grid((2, 3), (60, 50), (120, 100))
    found, mask = sampled(Placed("photo", photo, way), grid)
    assert mask.any()
    expected = scene(grid.points((0, 120)).reshape(120, 100, 2))
    inside = ndi.binary_erosion(mask, iterations=6, border_value=1)
    assert np.abs(found - expected)[inside].max() < 0.01


@pytest.mark.parametrize(("factor", "pixels"), [(4, 203), (10, 509), (2.5, 204)])
def test_a_photo_is_seen_rightly_up_to_its_last_row(factor: float, pixels: int) -> None:
    rows, columns = np.mgrid[:pixels, :pixels]
    photo = ((rows + columns) / (2 * pixels)).astype(np.float32)
    side = int(np.ceil(pixels / factor))
    found, mask = sampled(
        Placed("photo", photo, divided(factor)), Grid((0, 0), (side, side), (side, side))
    )
    places = np.arange(side) * factor + (factor - 1) / 2
    expected = (places[:, None] + places) / (2 * pixels)
    assert mask[-2].any()
    assert 255 * np.abs(found - expected)[mask].max() < 0.6


def test_a_blank_window_does_not_spoil_the_fine_detail(tissue: npt.NDArray[np.uint8]) -> None:
    large = np.ascontiguousarray(np.tile(tissue, (4, 4, 1))[:256, :1000])
    large[:, 500:] = 230
    result = measured(Pair("p", "s", large, Placed("it", large, SAME), match="none"))
    assert len(result.evaluation.rows) == 4  # black and doing nothing, on two windows
    assert row(result, NOTHING).detail == pytest.approx(1)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_dark_part_of_16_bits_is_measured_on_the_range_of_the_whole(lazy: bool) -> None:
    grain = 1 + 0.2 * ndi.gaussian_filter(np.random.default_rng(0).standard_normal((1600, 1600)), 2)
    light = np.where(np.arange(1600) < 800, 1_500, 30_000)  # as in fluorescence
    sharp = np.clip(light * grain, 10, 65_000).astype(np.uint16)
    given = sharp.reshape(800, 2, 800, 2).mean((1, 3)).round().astype(np.uint16)
    image = da.from_array(sharp, chunks=400) if lazy else sharp
    pair = Pair("p", "s", given, Placed("real", image, divided(2)), match="none")
    result = measured(pair, bicubic=filters.bicubic)
    errors = filters.bicubic(given, 2).astype(float) - sharp
    assert row(result, "bicubic").mse == pytest.approx((errors**2).mean() * (255 / 65535) ** 2, 0.1)
