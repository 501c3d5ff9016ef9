"""scikit-image's own tests of template matching and phase correlation, asked of ours.

The cases are those of `match_template`, `phase_cross_correlation` and its masked form that apply
to a field on an overview, put as behaviour of `register`; each test names its original. Where the
original moves an image by whole pixels, ours is a field three times as large. Cases about volumes,
Fourier-space input and helper functions have no counterpart here.

Adapted from scikit-image (https://github.com/scikit-image/scikit-image), tests/skimage/feature/
test_template.py (T), tests/skimage/registration/test_phase_cross_correlation.py (P) and
test_masked_phase_cross_correlation.py (M). Copyright 2009-2022 the scikit-image team, under the
3-clause BSD licence (SPDX: BSD-3-Clause). The masked cases go back to D. Padfield, "Masked object
registration in the Fourier domain", IEEE Transactions on Image Processing 21(5), 2012.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import fft, ndimage
from skimage.data import immunohistochemistry, page

from napari_medrefine import MedRefineError, Overview, register
from napari_medrefine.registration.placement import transform

FACTOR = 3
RIGHT = 0.1  # overview pixels, root mean square over the field's corners
BOX = (150, 190, 130, 160)  # top, left, height, width on the overview


@pytest.fixture(scope="module")
def slide():
    return immunohistochemistry()


@pytest.fixture(scope="module")
def overview(slide):
    return Overview(slide)


def grey(image):
    return image.mean(-1)


def enlarged(image, factor=FACTOR):
    """Return `image` `factor` times as large, in its own dtype, pixel centres kept."""
    zoom = (factor, factor) + (1,) * (image.ndim - 2)
    large = ndimage.zoom(image.astype(float), zoom, order=3, grid_mode=True, mode="nearest")
    if image.dtype.kind == "f":
        return large.astype(image.dtype)
    return np.clip(np.rint(large), 0, np.iinfo(image.dtype).max).astype(image.dtype)


def cut(image, top, left, height, width, factor=FACTOR):
    """Return a part of `image`, enlarged, and the matrix that puts it back."""
    field = enlarged(image[top : top + height, left : left + width], factor)
    return field, back(top, left, factor)


def back(top, left, factor=FACTOR):
    """Return the matrix that takes a field enlarged by `factor` to its first overview pixel."""
    matrix = np.diag([1 / factor, 1 / factor, 1.0])
    matrix[:2, 2] = np.array([top, left]) + (1 / factor - 1) / 2
    return matrix


def error(place, matrix, points=None):
    """Return how far `points` (the field's corners) lie from their places, in overview pixels."""
    if points is None:
        height, width = place.field_shape
        points = np.array([[0, 0], [0, width - 1], [height - 1, 0], [height - 1, width - 1.0]])
    apart = place.to_overview(points) - transform(matrix, points)
    return float(np.sqrt((apart**2).sum(1).mean()))


def assert_right(place, matrix, within=RIGHT):
    assert place.accepted, place.reason
    assert error(place, matrix) < within


def assert_right_where_seen(place, matrix, seen):
    """Right all over, and fine on the part of the field that shows the overview."""
    assert_right(place, matrix, 1)
    points = 20 * np.argwhere(seen[::20, ::20]).astype(float)
    assert error(place, matrix, points) < 0.3


def assert_sane(place):
    """Every number a user sees is one, and within its bounds."""
    assert np.isfinite(place.matrix).all()
    assert np.isfinite(place.to_overview(place.to_field([[3.0, 4.0]]))).all()
    assert -1 - 1e-7 <= place.score <= 1 + 1e-7
    assert 0 <= place.overlap <= 1
    assert not place.false_alarms < 0
    assert not place.standard_error < 0
    assert place.ratio > 0
    assert place.reason


def fourier_shifted(image, shift):
    """Return grey `image` moved by `shift` (may be fractions of a pixel), wrapping around."""
    moved = fft.ifft2(ndimage.fourier_shift(fft.fft2(image), shift)).real
    return np.clip(moved, 0, 255)


def texture(shape, rng, sigma=1.5):
    """Return random texture, as fine as an overview resolves, within 0 to 1."""
    ground = ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    return np.clip(0.5 + 0.18 * ground / ground.std(), 0, 1)


# --- positions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("present", [(0,), (1,), (0, 1)])
def test_each_of_two_copies_is_found_and_both_at_once_are_ambiguous(dtype, present):
    """T `test_template`: the target stands twice in a noisy image; both positions are peaks."""
    rng = np.random.default_rng(971876736)
    target = texture((100, 100), rng).astype(dtype)
    positions = [(50, 50), (200, 200)]
    image = np.full((400, 400), 0.5, dtype)
    for k in present:
        top, left = positions[k]
        image[top : top + 100, left : left + 100] = target
    image += 0.1 * rng.uniform(size=image.shape).astype(dtype)
    place = register(image, enlarged(target), ratio=FACTOR)
    assert min(error(place, back(*positions[k])) for k in present) < 0.3
    if len(present) == 1:
        assert place.accepted, place.reason
    else:
        assert not place.accepted
        assert "another place" in place.reason


def test_the_likeness_is_taken_and_not_the_negative():
    """T `test_normalization`: 1 for a perfect match, and its inverse is the opposite of one."""
    rng = np.random.default_rng(0)
    target = texture((90, 110), rng)
    image = texture((400, 420), rng)
    image[40:130, 60:170] = target
    image[240:330, 250:360] = 1 - target
    place = register(image, enlarged(target), ratio=FACTOR)
    assert_right(place, back(40, 60))
    assert place.score > 0.97
    inverse = register(image, enlarged(1 - target), ratio=FACTOR)
    assert_right(inverse, back(240, 250))


def test_a_field_that_is_only_there_as_its_negative_is_refused(slide, overview):
    """T `test_normalization`, the inverted match alone: it must not count as one."""
    field, _ = cut(slide, *BOX)
    place = overview.register(255 - field, ratio=FACTOR)
    assert not place.accepted
    assert_sane(place)


@pytest.mark.parametrize(("gain", "offset"), [(0.4, 0.0), (0.5, 0.45), (1.9, -0.9)])
def test_gain_and_offset_of_the_light_do_not_matter(slide, overview, gain, offset):
    """T `test_normalization`: the score is normalised, whatever the contrast and brightness."""
    field, matrix = cut(slide, *BOX)
    lit = np.clip(gain * (field / 255) + offset, 0, 1)
    assert_right(overview.register(lit, ratio=FACTOR), matrix)


@pytest.mark.parametrize("shift", [(-7, 12), (0, 0), (23, -31)])
def test_whole_pixel_shift_at_equal_magnification(slide, shift):
    """P `test_correlation`, and P `test_disambiguate_zero_shift` for no shift at all."""
    image = grey(slide)
    place = register(image, np.roll(image, shift, (0, 1)), ratio=1)
    matrix = np.eye(3)
    matrix[:2, 2] = -np.array(shift)
    assert_right(place, matrix, 0.05)
    assert place.score > 0.9


@pytest.mark.parametrize("shift", [(-2.4, 1.32), (0.5, -0.5), (-0.25, 3.7)])
def test_sub_pixel_shift(slide, shift):
    """P `test_subpixel_precision`: within 0.05 px, at equal magnification and enlarged."""
    image = grey(slide)
    moved = fourier_shifted(image, shift)
    prepared = Overview(image)
    shifted = np.eye(3)
    shifted[:2, 2] = -np.array(shift)
    field, matrix = cut(moved, *BOX)
    assert_right(prepared.register(field, ratio=FACTOR), shifted @ matrix, 0.05)
    assert_right(prepared.register(moved[60:450, 80:430], ratio=1), shifted @ back(60, 80, 1), 0.05)


CORNERS = [(top, left) for top in (-0.25, 0.25) for left in (-0.25, 0.25)]


@pytest.mark.parametrize(("down", "right"), CORNERS)
def test_large_shift_either_way_along_both_axes(slide, down, right):
    """P `test_disambiguate_2d`: shifts of either sign that leave a part of the images in common."""
    shape = np.array([360, 380])
    shift = np.rint(shape * (down, right)).astype(int)
    here = np.array([76, 66])
    there = here + shift
    overview = slide[here[0] : here[0] + shape[0], here[1] : here[1] + shape[1]]
    field = slide[max(there[0], 0) : there[0] + shape[0], max(there[1], 0) : there[1] + shape[1]]
    place = register(overview, field, ratio=1)
    first = np.maximum(there, 0) - here
    assert_right(place, back(*first, 1))
    assert place.overlap < 0.75


@pytest.mark.parametrize("corner", [(0, 0), (0, 352), (382, 0), (382, 352), (200, 176)])
def test_every_position_up_to_the_very_edge(slide, overview, corner):
    """T `test_template`, T `test_3d`: the position is the one it was cut from, to the last row."""
    field, matrix = cut(slide, *corner, 130, 160)
    place = overview.register(field, ratio=FACTOR)
    assert_right(place, matrix)
    assert place.overlap > 0.98


@pytest.mark.parametrize(
    ("side", "share"), [("top", 0.75), ("bottom", 0.5), ("left", 0.5), ("right", 0.75)]
)
def test_field_half_beyond_the_edge(slide, side, share):
    """T `test_pad_input`, T `test_padding_reflect`: a template of which the image has a part."""
    top, left, height, width = 170, 170, 150, 170
    inside = {
        "top": np.s_[top + round((1 - share) * height) :, :],
        "bottom": np.s_[: top + round(share * height), :],
        "left": np.s_[:, left + round((1 - share) * width) :],
        "right": np.s_[:, : left + round(share * width)],
    }[side]
    field, matrix = cut(slide, top, left, height, width)
    matrix[:2, 2] -= [inside[0].start or 0, inside[1].start or 0]
    place = register(slide[inside], field, ratio=FACTOR)
    assert_right(place, matrix, 0.3)
    assert place.overlap == pytest.approx(share, abs=0.03)


def test_a_whole_copy_beats_half_a_copy_at_the_edge():
    """T `test_pad_input`: full templates come first, halves at the edges second."""
    rng = np.random.default_rng(3)
    target = texture((96, 96), rng)
    image = texture((360, 420), rng)
    image[130:226, :48] = target[:, 48:]
    image[130:226, 180:276] = target
    image[130:226, -48:] = target[:, :48]
    place = register(image, enlarged(target), ratio=FACTOR)
    assert error(place, back(130, 180)) < 0.3  # the halves are likenesses too: it may be refused


# --- sizes, axes, dtypes, memory -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "box"),
    [
        (np.s_[:, :], (101, 33, 61, 201)),  # a wide strip
        (np.s_[:, :], (33, 202, 201, 61)),  # a high one
        (np.s_[37:294, :], (20, 175, 173, 127)),  # a wide overview, odd sizes
        (np.s_[:, 100:331], (251, 17, 111, 201)),  # a high overview
    ],
)
def test_unequal_sizes(slide, window, box):
    """M `test_masked_registration_random_masks_non_equal_sizes`; T's template is smaller, too."""
    part = slide[window]
    field, matrix = cut(part, *box)
    assert_right(register(part, field, ratio=FACTOR), matrix)


def test_axes_are_treated_alike(slide, overview):
    """M `test_cross_correlate_masked_over_axes`, P `test_disambiguate_2d`: no axis is special."""
    field, matrix = cut(slide, *BOX)
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])
    place = register(slide.transpose(1, 0, 2), field.transpose(1, 0, 2), ratio=FACTOR)
    assert_right(place, swap @ matrix @ swap)
    both = register(slide[::-1, ::-1], field[::-1, ::-1], ratio=FACTOR)
    end = transform(matrix, np.array([[field.shape[0] - 1, field.shape[1] - 1.0]]))[0]
    turned = np.diag([1 / FACTOR, 1 / FACTOR, 1.0])
    turned[:2, 2] = np.array(slide.shape[:2]) - 1 - end
    assert_right(both, turned)


def test_each_channel_alone_gives_the_same_place(slide):
    """M `test_cross_correlate_masked_over_axes`: all at once agrees with one after another."""
    field, matrix = cut(slide, *BOX)
    for channel in range(3):
        assert_right(register(slide[..., channel], field[..., channel], ratio=FACTOR), matrix)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.uint16])
def test_real_and_integer_input(slide, dtype):
    """P `test_real_input`: every float type, and here the cameras' integers, within 0.05 px."""
    shift = np.array([-2.4, 1.32])
    white = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    image = grey(slide)
    moved = fourier_shifted(image, shift)
    field, matrix = cut((moved / 255 * white).astype(dtype), *BOX)
    matrix[:2, 2] -= shift
    assert field.dtype == dtype
    place = register((image / 255 * white).astype(dtype), field, ratio=FACTOR)
    assert place.matrix.dtype == np.float64
    assert_right(place, matrix, 0.05)


def test_input_is_not_modified_and_memory_order_does_not_matter(slide):
    """M `test_cross_correlate_masked_side_effects`: read-only arrays are good enough."""
    field, matrix = cut(slide, *BOX)
    whole = slide.copy()
    before = whole.copy(), field.copy()
    for array in (whole, field):
        array.setflags(write=False)
    place = register(whole, field, ratio=FACTOR)
    assert_right(place, matrix)
    np.testing.assert_array_equal(whole, before[0])
    np.testing.assert_array_equal(field, before[1])
    strided = np.repeat(field, 2, axis=1)[:, ::2]
    other = register(np.asfortranarray(whole), strided, ratio=FACTOR)
    np.testing.assert_array_equal(other.matrix, place.matrix)


# --- flat, empty and impossible images -----------------------------------------------------------


@pytest.mark.parametrize("amplitude", [1e-9, 1e-6])
def test_almost_flat_overview_gives_no_nan(amplitude):
    """T `test_no_nans`: values that hardly differ must not make roots of negative numbers."""
    rng = np.random.default_rng(2813589124)
    image = 0.5 + amplitude * rng.normal(size=(200, 200))
    template = np.ones((180, 180))
    template[:90] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place = register(image, template, ratio=FACTOR)
    assert_sane(place)
    assert not place.accepted


@pytest.mark.parametrize("flat", ["overview", "field"])
def test_a_single_speck_on_a_flat_image_is_refused_without_warnings(slide, flat):
    """P `test_invalid_value_in_division_warnings` (scikit-image issue 7146): one pixel is lit."""
    speck = np.full((300, 300), 200, np.uint8)
    speck[150, 150] = 201
    pair = (speck, cut(slide, *BOX)[0]) if flat == "overview" else (slide, speck)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place = register(*pair, ratio=FACTOR)
    assert_sane(place)
    assert not place.accepted


def test_two_specks_are_refused_without_warnings():
    """P `test_invalid_value_in_division_warnings`: one pixel lit in either image."""
    first, second = np.zeros((100, 100)), np.zeros((300, 300))
    first[50, 50] = second[180, 180] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place = register(first, second, ratio=FACTOR)
    assert_sane(place)
    assert not place.accepted


@pytest.mark.parametrize("black", [(True, False), (False, True), (True, True)])
def test_black_images_are_refused_in_words(slide, black):
    """P `test_disambiguate_empty_image`: what has no content has no position."""
    field, _ = cut(slide, *BOX)
    pair = [
        np.zeros_like(image) if no else image
        for image, no in zip((slide, field), black, strict=True)
    ]
    name = "overview" if black[0] else "field"
    with pytest.raises(MedRefineError, match=f"{name} is constant"):
        register(*pair, ratio=FACTOR)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["overview", "field"])
def test_a_single_nan_is_refused_in_words(slide, where, value):
    """P `test_wrong_input`: one NaN among good pixels is an error, not a position."""
    images = {"overview": slide / 255, "field": cut(slide, *BOX)[0] / 255}
    images[where][7, 5, 1] = value
    with pytest.raises(MedRefineError, match=f"{where} contains NaN or infinite"):
        register(**images, ratio=FACTOR)


@pytest.mark.parametrize("shape", [(5,), (60, 60, 1), (60, 60, 2), (60, 60, 5), (60, 60, 3, 3)])
@pytest.mark.parametrize("where", ["overview", "field"])
def test_wrong_dimensions_are_refused_in_words(slide, where, shape):
    """T `test_wrong_input`, P `test_wrong_input`, M `..._against_mismatched_dimensions`."""
    wrong = np.random.default_rng(0).uniform(size=shape)
    images = {"overview": slide, "field": slide} | {where: wrong}
    with pytest.raises(MedRefineError, match=rf"{where} has shape \({shape[0]},"):
        register(**images, ratio=FACTOR)


def test_complex_input_is_refused_in_words(slide):
    """P `test_correlation` takes Fourier transforms; ours takes pictures, and says so."""
    with pytest.raises(MedRefineError, match="field is complex128"):
        register(slide, fft.fft2(grey(slide)), ratio=FACTOR)


@pytest.mark.parametrize("method", ["phase", "nonexisting", "", None])
def test_unknown_choice_is_refused_in_words(slide, overview, method):
    """P `test_correlation_invalid_normalization`, P `test_unknown_space_input`."""
    field, _ = cut(slide, *BOX)
    with pytest.raises(MedRefineError, match="method must be"):
        overview.register(field, ratio=FACTOR, method=method)


def test_switched_arguments(slide):
    """T `test_switched_arguments`: field and overview exchanged is an error that says so."""
    field, _ = cut(slide, *BOX, factor=1)
    with pytest.raises(MedRefineError, match="swapped"):
        register(field, slide, ratio=1)


@pytest.mark.parametrize("shape", [(1, 480), (480, 1), (3, 3), (22, 400)])
def test_field_too_thin_or_tiny(slide, overview, shape):
    """P `test_size_one_dimension_input`: too few pixels to tell a place is an error in words."""
    height, width = shape
    field = slide[100 : 100 + height, 20 : 20 + width]
    with pytest.raises(MedRefineError, match=r"covers only \d+ pixels"):
        overview.register(field, ratio=1)


@pytest.mark.parametrize("shape", [(1, 2), (3, 3), (8, 8), (1, 400), (30, 30), (31, 47)])
def test_tiny_overview(slide, shape):
    """T's images have 5 to 20 pixels on a side: an error in words, or a refusal, but no crash."""
    height, width = shape
    tiny = slide[200 : 200 + height, 60 : 60 + width]
    field, _ = cut(slide, 200, 60, 30, 30)
    message = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            place = register(tiny, field, ratio=FACTOR)
        except MedRefineError as refusal:
            message = str(refusal)
        else:
            assert_sane(place)
            assert not place.accepted or min(shape) >= 30
            message = place.reason
    assert "overview" in message or message.startswith("Refused: ") or min(shape) >= 30


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "speck", "noise", "stripes", "steps", "mirrored"])
def test_bounding_values(kind):
    """T `test_bounding_values`, M `test_cross_correlate_masked_output_range`: -1 to 1, no NaN."""
    text = page() / 255
    rng = np.random.default_rng(17856738)
    field = {
        "cut": enlarged(text[40:130, 100:220]),
        "speck": np.pad([[1.0]], 150),
        "noise": rng.random((300, 300)),
        "stripes": np.tile(np.repeat([0.0, 1.0], 5), (300, 30)),
        "steps": np.kron(np.eye(2), np.ones((150, 150))),
        "mirrored": enlarged(text[40:130, 100:220])[:, ::-1],
    }[kind]
    place = register(text, field, ratio=FACTOR)
    assert_sane(place)
    assert place.accepted == (kind == "cut"), place.reason


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_perfect_match_is_left_as_it_is(seed):
    """T `test_normalization`: an exact copy fits exactly; there is no lens distortion to find."""
    rng = np.random.default_rng(seed)
    target = texture((96, 96), rng)
    image = texture((360, 420), rng)
    image[130:226, 180:276] = target
    place = register(image, enlarged(target), ratio=FACTOR)
    assert place.distortion is None
    assert_right(place, back(130, 180))


# --- masks: dirt, saturation, frames -------------------------------------------------------------


def test_an_opaque_alpha_channel_changes_nothing(slide, overview):
    """M `test_masked_registration_vs_phase_cross_correlation`: a trivial mask is none."""
    field, matrix = cut(slide, *BOX)
    opaque = np.dstack([field, np.full(field.shape[:2], 255, np.uint8)])
    masked, plain = (overview.register(image, ratio=FACTOR) for image in (opaque, field))
    assert_right(masked, matrix)
    np.testing.assert_array_equal(masked.matrix, plain.matrix)


@pytest.mark.parametrize("value", [0, 255])
def test_a_quarter_of_the_pixels_dead(slide, value):
    """M `test_masked_registration_random_masks`: 75 % of the pixels are valid, at random."""
    rng = np.random.default_rng(674032722)
    field, matrix = cut(slide, *BOX)
    field[rng.random(field.shape[:2]) < 0.25] = value
    place = register(slide, field, ratio=FACTOR)
    assert_right(place, matrix, 0.3)


LARGE = (120, 100, 200, 240)


@pytest.mark.parametrize(
    ("lost", "value"),
    [
        (np.s_[:, 450:], 255),
        (np.s_[300:, :], 255),
        (np.s_[300:, :], 0),
        (np.s_[100:450, 140:540], 0),
    ],
    ids=["right white", "lower half white", "lower half black", "middle black"],
)
def test_a_contiguous_part_of_the_field_saturated(slide, overview, lost, value):
    """M `test_masked_registration_3d_contiguous_mask`: what is left of the field is enough."""
    field, matrix = cut(slide, *LARGE)
    seen = np.ones(field.shape[:2], bool)
    seen[lost] = False
    field[~seen] = value
    assert_right_where_seen(overview.register(field, ratio=FACTOR), matrix, seen)


def test_a_blank_part_in_both_images(slide):
    """M `test_masked_registration_3d_contiguous_mask`: another part is lost in either image."""
    field, matrix = cut(slide, *BOX)
    seen = np.ones(field.shape[:2], bool)
    seen[:, 320:] = False
    field[~seen] = 255
    whole = slide.copy()
    whole[150:190, 150:400] = 255
    seen[:120] = False
    assert_right_where_seen(register(whole, field, ratio=FACTOR), matrix, seen)


SHIFTS = [(75, 75), (-70, 75)]


def framed(slide, value, shift):
    """Return two parts of `slide` in frames, where one lies on the other, and what both show."""
    moved = np.roll(slide, shift, (0, 1))
    overview, field = np.full_like(slide, value), np.full_like(slide, value)
    overview[60:460, 60:460] = slide[60:460, 60:460]
    field[90:400, 90:400] = moved[90:400, 90:400]
    matrix = back(45 - shift[0], 45 - shift[1], 1)
    rows, cols = (np.arange(45, 470) - by for by in shift)  # where it lies on the slide
    ours = (np.arange(45, 470) >= 90) & (np.arange(45, 470) < 400)
    both = [ours & (lines >= 60) & (lines < 460) for lines in (rows, cols)]
    return overview, field[45:470, 45:470], matrix, np.outer(*both)


@pytest.mark.parametrize("shift", SHIFTS)
def test_blank_frames_do_not_attract(slide, shift):
    """M `test_masked_registration_padfield_data`: one scene, large shifts, blank frames."""
    overview, field, matrix, seen = framed(slide, 255, shift)
    place = register(overview, field, ratio=1, angle=(-5, 5))
    assert_right_where_seen(place, matrix, seen)


def test_black_frames_do_not_attract(slide):
    """M `test_masked_registration_padfield_data`: as published, outside the mask all is 0."""
    overview, field, matrix, seen = framed(slide, 0, SHIFTS[0])
    place = register(overview, field, ratio=1, angle=(-5, 5))
    assert_right_where_seen(place, matrix, seen)


def test_black_frames_do_not_deceive(slide):
    """M `test_masked_registration_padfield_data`: frame on frame is no likeness of two scenes."""
    overview, field, matrix, _ = framed(slide, 0, SHIFTS[1])
    place = register(overview, field, ratio=1, angle=(-5, 5))
    assert not place.accepted or error(place, matrix) < 1, place.reason
