"""Pairs of registered fields: in place, in the overview's intensities, without what is bad."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scene import Scene, placed
from scipy import ndimage as ndi

from napari_medrefine.dataset.pair_files import read_pair, read_pairs
from napari_medrefine.errors import MedRefineError
from napari_medrefine.learning import LearnField, Paired, pairs_steps, write_pairs
from napari_medrefine.progress import finish
from napari_medrefine.registration import Placement

SCENE = Scene()
OVERVIEW = SCENE.overview()


def paired(*fields: LearnField) -> Paired:
    return finish(pairs_steps(OVERVIEW, fields))


def truth(pair: Paired, number: int = 0) -> np.ndarray:
    """Return what the target should be: the scene at the middle of each of its pixels."""
    entry = pair.manifest.pairs[number]
    h, w = entry.shape
    rows, cols = np.mgrid[: 4 * h, : 4 * w]
    at = (np.stack([rows, cols], -1).reshape(-1, 2) + 0.5) / 4 - 0.5 + entry.first
    return SCENE.at(at).reshape(4 * h, 4 * w, 3) * 255


def usable(pair: Paired, number: int = 0) -> np.ndarray:
    return np.kron(pair.pairs[number].mask, np.ones((4, 4), bool))


def lies_off(image: np.ndarray, ideal: np.ndarray, mask: np.ndarray) -> float:
    """Return how far `image` is moved against `ideal`, in its pixels (least squares)."""
    slopes = np.stack([s[mask] for s in np.gradient(ideal.mean(-1))], -1)
    apart = (image.astype(float) - ideal).mean(-1)[mask]
    return float(np.hypot(*np.linalg.lstsq(slopes, apart, rcond=None)[0]))


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    ratio=st.floats(8.5, 12),
    angle=st.floats(-180, 180),
    row=st.floats(60, 90),
    col=st.floats(60, 100),
    bent=st.sampled_from([0.0, 0.004, -0.004]),
)
def test_a_target_lies_where_the_placement_says(ratio, angle, row, col, bent) -> None:
    place = placed(ratio, angle, (row, col), (440, 480), bent)
    pair = paired(*SCENE.fields(place))
    assert pair.manifest.pairs[0].usable > 0.5, pair.manifest
    mask, ideal = usable(pair), truth(pair)
    assert lies_off(pair.pairs[0].target, ideal, mask) < 0.4  # a tenth of an overview pixel
    assert np.abs(pair.pairs[0].target - ideal)[mask].mean() < 2


def test_the_input_is_the_overview_around_the_target() -> None:
    pair = paired(*SCENE.fields(placed()))
    entry, (row, col) = pair.manifest.pairs[0], pair.manifest.pairs[0].first
    top, left = row - entry.margin[0], col - entry.margin[1]
    given_ = pair.pairs[0].given
    assert min(entry.margin) > 0
    np.testing.assert_array_equal(
        given_, OVERVIEW[top : top + given_.shape[0], left : left + given_.shape[1]]
    )


@pytest.mark.parametrize(("gamma", "gain"), [(1.0, 0.8), (0.7, 0.9), (1.6, 1.0)])
def test_another_cameras_gain_gamma_and_shading_are_taken_back(gamma: float, gain: float) -> None:
    place = placed()
    image = SCENE.field(place) / 255
    fall = 1 - 0.1 * np.linspace(-1, 1, image.shape[1])[None, :, None] ** 2
    other = np.rint(255 * gain * fall * image**gamma).astype(np.uint8)
    pair = paired(LearnField("other", other, place))
    apart = pair.pairs[0].target.astype(float) - truth(pair)
    assert np.abs(apart[usable(pair)]).mean() < 2.5


def test_dirt_on_a_field_is_left_out_with_its_reason() -> None:
    place = placed(angle=0.0)
    image = SCENE.field(place)
    image[220:400, 250:420] = 20
    pair = paired(LearnField("dirty", image, place))
    entry, mask = pair.manifest.pairs[0], pair.pairs[0].mask
    assert any("unlike" in reason for reason in entry.left_out)
    for row, col in ([250.0, 300.0], [370.0, 400.0], [310.0, 350.0]):
        there = place.to_overview([[row, col]])[0] - entry.first
        assert not mask[tuple(np.rint(there).astype(int))]
    assert mask.sum() > 0.4 * mask.size


def moved(place: Placement, by: float) -> Placement:
    matrix = place.matrix.copy()
    matrix[0, 2] += by
    return Placement(matrix, place.field_shape, place.overview_shape, True, "moved", 0.9)


def soft(image: np.ndarray) -> np.ndarray:
    return ndi.gaussian_filter(image, (14, 14, 0))


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (LearnField("x", SCENE.field(placed()), moved(placed(), 0.6)), "misaligned"),
        (LearnField("x", SCENE.field(placed()), placed(accepted=False)), "not sure"),
        (LearnField("x", soft(SCENE.field(placed())), placed()), "out of focus"),
        (LearnField("x", SCENE.field(placed())[:-1], placed()), "pixels"),
        (LearnField("x", np.full((500, 560, 3), 240, np.uint8), placed()), "unlike|gain"),
        (LearnField("x", SCENE.field(placed(2.5)), placed(2.5)), "coarser"),
    ],
)
def test_a_field_that_teaches_nothing_is_refused_with_its_reason(field, why) -> None:
    pair = paired(field, *SCENE.fields(placed(9.0)))
    assert [entry.field.name for entry in pair.manifest.pairs] == ["field 0"]
    (refused,) = pair.manifest.refused
    assert refused.field.name == "x"
    assert re.search(why, refused.reason), refused.reason


def test_empty_glass_is_left_out() -> None:
    overview = OVERVIEW.copy()
    overview[:, :80] = 230
    place = placed(angle=0.0)
    image = SCENE.field(place)
    left = place.to_overview(np.argwhere(np.ones((1, 560), bool)))[:, 1] < 79.5
    image[:, left] = 230
    pair = finish(pairs_steps(overview, [LearnField("x", image, place)]))
    entry = pair.manifest.pairs[0]
    assert entry.left_out["blank"] > 0.2
    assert not pair.pairs[0].mask[:, :20].any()


def test_pairs_are_written_whole_and_read_back_the_same(tmp_path) -> None:
    pair = paired(*SCENE.fields(placed(), placed(9.3, -20)))
    folder = finish(write_pairs(pair, tmp_path / "pairs"))
    assert read_pairs(folder) == pair.manifest
    for entry, known, place in zip(pair.manifest.pairs, pair.pairs, pair.placements, strict=True):
        read = read_pair(folder, entry)
        np.testing.assert_array_equal(read.given, known.given)
        np.testing.assert_array_equal(read.target, known.target)
        np.testing.assert_array_equal(read.mask, known.mask)
        stored = Placement.load(folder / entry.folder / "placement.json")
        np.testing.assert_allclose(stored.matrix, place.matrix)
    with pytest.raises(MedRefineError, match="already there"):
        finish(write_pairs(pair, folder))


def test_a_writing_that_is_stopped_leaves_nothing(tmp_path) -> None:
    job = write_pairs(paired(*SCENE.fields(placed(), placed(9.3))), tmp_path / "pairs")
    next(job)
    next(job)
    job.close()
    assert not list(tmp_path.iterdir())


def test_a_changed_image_is_noticed(tmp_path) -> None:
    pair = paired(*SCENE.fields(placed()))
    folder = finish(write_pairs(pair, tmp_path / "pairs"))
    place = folder / pair.manifest.pairs[0].folder
    (place / "target.png").write_bytes((place / "input.png").read_bytes())
    with pytest.raises(MedRefineError, match="not those that were written"):
        read_pair(folder, pair.manifest.pairs[0])


def test_a_pair_of_another_size_than_its_manifest_says_is_refused(tmp_path) -> None:
    pair = paired(*SCENE.fields(placed()))
    folder = finish(write_pairs(pair, tmp_path / "pairs"))
    entry = pair.manifest.pairs[0].model_copy(update={"shape": (9, 400)})
    with pytest.raises(MedRefineError, match="not those that were written"):
        read_pair(folder, entry)
