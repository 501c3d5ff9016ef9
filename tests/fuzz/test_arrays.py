"""The public functions on arrays of every shape, dtype and value, and with every argument."""

from __future__ import annotations

import numpy as np
import pytest
from fuzzing.amount import examples
from fuzzing.outcome import judge
from fuzzing.photos import picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_medrefine import Overview, magnify, register, sharpen, trust_map
from napari_medrefine.compare import filters, metrics
from napari_medrefine.photos import as_rgb, read_photo, write_image
from napari_medrefine.superres import magnify_steps

SIDES = st.sampled_from([0, 1, 2, 3, 5, 8, 17, 40])
DTYPES = [
    "uint8",
    "uint16",
    "float32",
    "float64",
    "float16",
    "int8",
    "int64",
    "uint32",
    "bool",
    "complex64",
    "object",
    "U3",
    "M8[s]",
    ">u2",
    ">f4",
    "V4",
]
VALUES = ["tissue", "noise", "black", "white", "nan", "infinite", "huge", "tiny", "negative"]


@st.composite
def arrays(draw, largest=40):
    """Draw an image, or something that is none."""
    odd = draw(st.integers(0, 9))
    if odd == 0:
        return draw(st.sampled_from([None, 1, 0.5, "photo.png", [], [[]], [[1, 2], [3]], {}, b"x"]))
    shape = [draw(SIDES.filter(lambda n: n <= largest)) for _ in range(2)]
    shape += draw(st.sampled_from([[], [3], [3], [4], [1], [2], [5], [3, 1], [0]]))
    if odd == 1:
        shape = draw(npst.array_shapes(min_dims=0, max_dims=5, max_side=5))
    return filled(tuple(shape), draw(st.sampled_from(DTYPES)), draw(st.sampled_from(VALUES)))


def filled(shape, dtype, values):
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype).kind
    if kind not in "uif":
        return np.zeros(shape, dtype)
    top = 1.0 if kind == "f" else float(np.iinfo(dtype).max)
    unit = rng.random(shape)
    if values == "tissue" and len(shape) in (2, 3) and shape[-1:] == (3,):
        unit = np.resize(picture(40, 40) / 255, shape)
    special = {"black": 0.0, "white": 1.0}
    image = np.full(shape, special[values]) if values in special else unit
    image = (image * top).astype(dtype)
    odd = {"nan": np.nan, "infinite": -np.inf, "huge": 1e30, "tiny": 1e-30, "negative": -5.0}
    if values in odd and kind == "f" and image.size:
        with np.errstate(over="ignore"):
            image.flat[0] = odd[values]
    if values == "negative" and kind == "i" and image.size:
        image.flat[0] = -5
    return image


numbers = st.one_of(
    st.sampled_from([0, 1, 2, 4, 0.5, 1.5, -1, 64, 65, 1e300, 1e-300, float("nan"), float("inf")]),
    st.floats(0.1, 4),
)
anything = st.one_of(numbers, st.sampled_from([None, "2", (), [1], {}, True, (2, 3)]))


def unchanged(image, call, kind):
    """Judge `call`; the array that it was given must not be written to."""
    before = np.array(image, copy=True) if isinstance(image, np.ndarray) else image
    verdict = judge(call, kind=kind)
    if isinstance(image, np.ndarray) and image.dtype.kind not in "OV":
        np.testing.assert_array_equal(image, before)
    return verdict


@examples(60, 700)
@given(
    image=arrays(17),
    scale=numbers,
    realism=st.sampled_from([0, 0.5, 1, -0.1, float("nan")]),
    consistency=st.sampled_from([None, True, False]),
)
def test_magnify(image, scale, realism, consistency):
    made = unchanged(
        image, lambda: magnify(image, scale, realism=realism, consistency=consistency), "magnify"
    )
    if not made.refused:
        assert made.value.dtype == image.dtype
        assert made.value.shape[2:] == image.shape[2:]
        assert made.value.shape[:2] == tuple(round(n * scale) for n in image.shape[:2])
        assert np.isfinite(made.value).all()


@examples(40, 500)
@given(image=arrays(17), strength=numbers)
def test_sharpen(image, strength):
    made = unchanged(image, lambda: sharpen(image, strength=strength), "sharpen")
    if not made.refused:
        assert (made.value.dtype, made.value.shape) == (image.dtype, image.shape)


@examples(30, 400)
@given(
    image=arrays(17),
    scale=st.sampled_from([1, 2, 3.5, 0, -1, 11, float("nan")]),
    level=st.sampled_from([0.9, 0.5, 0.99, 1, 0, float("nan")]),
    generated=arrays(17),
)
def test_trust_map(image, scale, level, generated):
    given_one = generated if isinstance(generated, np.ndarray) else None
    made = unchanged(
        image, lambda: trust_map(image, scale, level=level, generated=given_one), "trust map"
    )
    if not made.refused:
        assert np.isfinite(made.value).all()


@examples(20, 200)
@given(data=st.data(), name=st.sampled_from(["scale", "realism", "strength", "model"]))
def test_arguments_of_another_type(data, name):
    value = data.draw(anything)
    arguments = {"scale": 2, name: value}
    judge(lambda: magnify(picture(8, 8), **arguments), kind="magnify with odd arguments")


@examples(60, 700)
@given(
    overview=arrays(),
    field=arrays(),
    ratio=st.one_of(st.none(), numbers, st.just((1, 2))),
    angle=st.sampled_from([None, (-5, 5), (5, -5), (0, 0), (float("nan"), 1), (0, 1e9)]),
    method=st.sampled_from(["pyramid", "spiral", "x"]),
)
def test_register(overview, field, ratio, angle, method):
    unchanged(
        field,
        lambda: register(overview, field, ratio=ratio, angle=angle, method=method),
        "register",
    )


@examples(30, 300)
@given(data=st.data())
def test_register_large_enough(data):
    """As above where sizes and ratio would do, so that the search itself sees odd values."""
    dtypes = st.sampled_from(DTYPES[:5])
    values = st.sampled_from(VALUES)
    shape = data.draw(st.sampled_from([(), (3,), (4,)]))
    overview = filled((60, 70, *shape), data.draw(dtypes), data.draw(values))
    field = filled(
        (64, 56, *data.draw(st.sampled_from([(), (3,)]))), data.draw(dtypes), data.draw(values)
    )
    ratio = data.draw(st.sampled_from([2.0, 2, 1.0, (1.5, 2.2), None]))
    method = data.draw(st.sampled_from(["pyramid", "spiral"]))
    unchanged(field, lambda: register(overview, field, ratio=ratio, method=method), "register")


@examples(30, 300)
@given(levels=st.lists(arrays(), max_size=3))
def test_overview_of_levels(levels):
    judge(lambda: Overview(levels), kind="overview")


@examples(20, 200)
@given(data=st.data(), name=st.sampled_from(["ratio", "angle", "method"]))
def test_register_arguments_of_another_type(data, name):
    value = data.draw(anything)
    arguments = {"ratio": 2, name: value}
    judge(
        lambda: register(picture(60, 70), picture(64, 56), **arguments),
        kind="register with odd arguments",
    )


FILTERS = [filters.nearest, filters.bicubic, filters.lanczos, filters.back_projection]
SHARPENERS = [filters.unsharp_mask, filters.richardson_lucy, filters.wiener]
METRICS = [
    metrics.mse,
    metrics.psnr,
    metrics.ssim,
    metrics.colour_difference,
    metrics.mean_shift,
    metrics.high_frequency_ratio,
    metrics.tile_errors,
]


@examples(40, 500)
@given(image=arrays(17), scale=numbers, method=st.sampled_from(FILTERS))
def test_filters(image, scale, method):
    unchanged(image, lambda: method(image, scale), "filter")


@examples(30, 400)
@given(image=arrays(17), method=st.sampled_from(SHARPENERS))
def test_sharpeners(image, method):
    unchanged(image, lambda: method(image), "sharpener")


@examples(60, 800)
@given(first=arrays(17), second=arrays(17), same=st.booleans(), method=st.sampled_from(METRICS))
def test_metrics(first, second, same, method):
    unchanged(first, lambda: method(first, first if same else second), "metric")


@examples(40, 500)
@given(
    image=arrays(17),
    suffix=st.sampled_from([".png", ".jpg", ".tif"]),
    pixel_um=st.sampled_from([None, 0.25, 1e-9, 1e9]),
)
def test_written_and_read(bench, image, suffix, pixel_um):
    path = bench / f"written{suffix}"
    path.unlink(missing_ok=True)
    made = unchanged(image, lambda: write_image(path, image, pixel_um=pixel_um), "image written")
    assert path.exists() != made.refused
    if not made.refused:
        again = judge(lambda: read_photo(path), path, kind="image written, read")
        assert again.value.image.shape[:2] == image.shape[:2]
        judge(lambda: as_rgb(image), kind="as rgb")


@pytest.mark.parametrize("shape", [(1, 100_000, 3), (100_000, 1), (2, 100_000, 3)])
def test_very_long_ones(bench, shape):
    image = np.resize(picture(), shape) if len(shape) == 3 else np.resize(picture()[..., 0], shape)
    steps = magnify_steps(image, 2)  # the whole takes a while, but it goes on
    for _ in range(3):
        judge(lambda: next(steps), kind="100,000 pixels long")
    judge(lambda: magnify(image, 0.9), kind="100,000 pixels long")
    judge(lambda: register(image, image, ratio=1), kind="100,000 pixels long")
    for suffix in (".png", ".tif", ".jpg"):
        path = bench / f"long{suffix}"
        verdict = judge(lambda path=path: write_image(path, image), kind="100,000 pixels long")
        assert verdict.refused == (suffix == ".jpg")  # which holds 65,500
        if not verdict.refused:
            read = judge(lambda path=path: read_photo(path), path, kind="100,000 pixels long")
            np.testing.assert_array_equal(read.value.image, image)
