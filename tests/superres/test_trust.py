"""The trust map: what it promises, on fields that it has not seen, and whom it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from napari_medrefine import MedRefineError, magnify, sharpen, trust_map
from napari_medrefine._records import write_record
from napari_medrefine.photos import read_photo
from napari_medrefine.superres import list_models, load_model, save_model, trust_map_steps
from napari_medrefine.superres.trust_blocks import BLOCK, block_edges, block_means, spread
from napari_medrefine.superres.trust_features import FEATURES, OVERALL
from napari_medrefine.superres.trust_fit import TrustSample, fit_knot, left_out, margins_of
from napari_medrefine.superres.trust_model import LEVELS, TRUST_FILES, shipped_trusts, trust_for


def tissue(height: int, width: int) -> np.ndarray:
    """Return pink with dark spots at the left, plain at the right, uint8 RGB."""
    rows, columns = np.indices((height, width))
    spots = np.exp(-(((rows % 9) - 4.0) ** 2 + ((columns % 11) - 5.0) ** 2) / 5)
    spots[:, width // 2 :] = 0
    return (np.array([235, 180, 210]) - spots[..., None] * [140, 130, 80]).astype(np.uint8)


def blocks_of(plane: np.ndarray) -> np.ndarray:
    return block_means(plane, *(block_edges(length) for length in plane.shape[:2]))


def test_the_shipped_calibrations_belong_to_the_shipped_weights() -> None:
    """Fails when weights are replaced: run benchmarks/calibrate_trust.py then, for each --pair."""
    cards = {name: load_model(name).card.sha256 for name in list_models()}
    calibrated = [pair for trust in shipped_trusts() for pair in trust.models.items()]
    assert sorted(calibrated) == sorted(cards.items())
    assert all(path.stat().st_size < 60_000 for path in TRUST_FILES.values())


def test_weights_of_two_pairs_have_no_calibration_in_common() -> None:
    pairs = [set(trust.models.values()) for trust in shipped_trusts()]
    assert [trust_for(pair).models for pair in pairs] == [t.models for t in shipped_trusts()]
    assert trust_for({*list(pairs[0])[:1], *list(pairs[1])[:1]}) is None


def test_the_weights_for_photos_have_a_map_of_their_own() -> None:
    image = tissue(48, 64)
    ours, photo = trust_map(image, 4), trust_map(image, 4, model="photo-faithful")
    assert photo.shape == ours.shape
    assert not np.allclose(photo, ours, rtol=0.05)
    picture = magnify(image, 4, model="photo-faithful")
    given = trust_map(image, 4, model="photo-faithful", generated=picture)
    np.testing.assert_array_equal(given, photo)


@pytest.mark.parametrize("scale", [1, 2.5, 4])
def test_dtypes_and_channels_give_the_same_grey_levels(scale: float) -> None:
    image = tissue(37, 50)
    expected = trust_map(image, scale)
    assert expected.shape == (round(37 * scale), round(50 * scale))
    assert expected.dtype == np.float32
    assert expected.min() > 0
    others = [
        image.astype(np.uint16) * 257,
        np.dstack([image, np.full((37, 50, 1), 9, np.uint8)]),
        image.astype(np.float32) / 255,
    ]
    for other in others:
        np.testing.assert_allclose(trust_map(other, scale), expected, rtol=0.1, atol=0.2)
    assert trust_map(image[..., 1], scale).shape == expected.shape


def test_texture_is_trusted_less_than_plain_and_between_the_weights_lies_between() -> None:
    image = tissue(64, 96)
    faithful, real = trust_map(image, 4), trust_map(image, 4, realism=1.0)
    assert faithful[:, 64:160].mean() > 3 * faithful[:, 230:].mean()
    low, high = sorted((faithful.mean(), real.mean()))
    assert 0.95 * low < trust_map(image, 4, realism=0.4).mean() < 1.05 * high


def test_higher_levels_are_wider_and_the_same_twice() -> None:
    image = tissue(40, 40)
    widths = [trust_map(image, 3, level=level) for level in (0.5, 0.8, 0.9, 0.99)]
    assert all((high > low).all() for low, high in pairwise(widths))
    np.testing.assert_array_equal(trust_map(image, 3, level=0.9), widths[2])


@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_a_picture_that_is_there_is_not_generated_again(realism: float) -> None:
    image = tissue(40, 52)
    for scale, picture in (
        (4, magnify(image, 4, realism=realism)),
        (1, sharpen(image, realism=realism)),
    ):
        given = list(trust_map_steps(image, scale, realism=realism, generated=picture))
        alone = list(trust_map_steps(image, scale, realism=realism))
        assert len(given) < len(alone)
        assert given[-1].done == given[-1].total
        np.testing.assert_array_equal(
            trust_map(image, scale, realism=realism, generated=picture),
            trust_map(image, scale, realism=realism),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.5}, "trust map knows 1"),
        ({"scale": 50}, "trust map knows 1"),
        ({"scale": float("nan")}, "trust map knows 1"),
        ({"realism": 1.5}, "between 0 and 1"),
        ({"level": 0.3}, "between 0.5 and 0.99"),
        ({"generated": np.zeros((8, 8, 3), np.uint8)}, "of this image it would be"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(change: dict, message: str) -> None:
    with pytest.raises(MedRefineError, match=message):
        trust_map(**{"image": tissue(20, 20), "scale": 4, **change})


def test_other_weights_are_refused_and_the_shipped_ones_by_path_are_not(tmp_path: Path) -> None:
    faithful, gan = load_model("magnify-faithful"), load_model("magnify-gan")
    own = tmp_path / "own-faithful.safetensors"
    save_model(own, faithful.generator, faithful.card)  # other precision: other tensors
    save_model(tmp_path / "own-gan.safetensors", gan.generator, gan.card)
    with pytest.raises(MedRefineError, match="not calibrated for the weights"):
        trust_map(tissue(20, 20), 2, model=own)
    assert trust_map(tissue(20, 20), 2, model="magnify-faithful").shape == (40, 40)


def test_a_damaged_calibration_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trust.json"
    data = shipped_trusts()[0].model_dump(mode="json")
    write_record(file, {**data, "knots": data["knots"][1:]})
    monkeypatch.setitem(TRUST_FILES, "shipped", file)
    shipped_trusts.cache_clear()
    try:
        with pytest.raises(MedRefineError, match="a knot is missing"):
            trust_map(tissue(20, 20), 2)
    finally:
        shipped_trusts.cache_clear()


def test_spreading_keeps_the_means_of_blocks() -> None:
    rows, columns = np.indices((9, 7))
    blocks = 5 + 2 * np.sin(rows / 2) + np.cos(columns)
    np.testing.assert_allclose(blocks_of(spread(blocks, (144, 112))), blocks, rtol=1e-3)
    ragged = spread(blocks, (137, 99))
    assert ragged.shape == (137, 99)
    assert abs(np.diff(ragged, axis=0)).max() < 0.3  # no steps between blocks
    one = spread(np.array([[4.0]]), (5, 9))
    assert (one == 4).all()


def made_up(slides: int, seed: int) -> list[TrustSample]:
    """Return slides whose (normal) errors follow two features, with no slide effect."""
    rng = np.random.default_rng(seed)
    samples = []
    for slide in range(slides):
        for _ in range(3):
            features = rng.normal(0, 0.3, (16, 16, len(FEATURES)))
            features[..., : len(OVERALL)] = rng.normal(0, 0.3, len(OVERALL))
            local = features[..., len(OVERALL) :]
            local -= local.mean((0, 1))
            error = np.exp(3 + features[..., 0] + local[..., 0])
            error = np.repeat(np.repeat(error, BLOCK, 0), BLOCK, 1)[..., None]
            values = np.abs(rng.normal(0, 1, (256, 256, 3))) * error
            kept = np.minimum(np.rint(values), 255).astype(np.uint8)
            samples.append(TrustSample(f"slide {slide}", "area", features, kept))
    return samples


def test_calibration_covers_new_slides_at_each_level() -> None:
    samples, new = made_up(8, 0), made_up(6, 1)
    knot = fit_knot(samples, 4, 0)
    for level in (0.5, 0.8, 0.9, 0.95):
        covered = []
        for sample in new:
            width = spread(np.exp(knot.log_half_width(sample.features, level)), (256, 256))
            covered.append(np.mean(sample.error <= width[..., None]))
        assert np.mean(covered) == pytest.approx(level, abs=0.025)


def test_margins_are_the_finite_sample_quantiles() -> None:
    # Of 4 x 4 pixels the one in the fourth row and column counts; nine colours.
    error = np.broadcast_to(np.arange(1, 10, dtype=np.uint8), (4, 4, 9))
    sample = TrustSample("a", "area", np.zeros((1, 1, len(FEATURES))), error)
    margins = np.exp(margins_of([sample], [np.full((4, 4), 2.0, np.float32)]))
    assert margins[LEVELS.index(0.5)] == pytest.approx(2.5)  # the ceil(10 * 0.5)-th of 9, over 2
    assert margins[LEVELS.index(0.9)] == pytest.approx(4.5)
    assert margins[LEVELS.index(0.99)] == pytest.approx(4.5)


def test_a_slide_takes_no_part_in_its_own_prediction() -> None:
    samples = made_up(5, 0)
    worse = [
        TrustSample(s.slide, s.track, s.features, s.error // (2 if s.slide == "slide 0" else 1))
        for s in samples
    ]
    before, after = left_out(samples), left_out(worse)
    for sample, told, then in zip(samples, before, after, strict=True):
        if sample.slide == "slide 0":
            np.testing.assert_allclose(then, told, rtol=0.1)


@pytest.mark.photos
@pytest.mark.parametrize("realism", [0.0, 1.0])
def test_real_tissue_is_covered_and_ranked(fields_dir: Path, realism: float) -> None:
    """Held-out slides: the networks were not trained on them, though the map was fitted on all."""
    true, told = [], []
    for slide in ("giardia", "keloid-scar"):
        covered = []
        for file in sorted((fields_dir / "train" / slide).glob("*.jpg"))[1:9:4]:
            sharp = np.asarray(read_photo(file).image, np.float32)[128:640, 128:640, :3]
            seen = sharp.reshape(128, 4, 128, 4, 3).mean((1, 3)).round().astype(np.uint8)
            picture = magnify(seen, 4, realism=realism)
            error = np.abs(picture - sharp)
            width = trust_map(seen, 4, realism=realism, generated=picture)
            covered.append(np.mean(error <= width[..., None]))
            true.append(blocks_of(error.mean(2)).ravel())
            told.append(blocks_of(width).ravel())
        assert 0.86 <= np.mean(covered) <= 0.94
    assert spearmanr(np.concatenate(true), np.concatenate(told)).statistic >= 0.65
