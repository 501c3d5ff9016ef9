"""Model cards: old ones still load, shipped ones are complete, a user's says what is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from skimage.data import immunohistochemistry

from napari_medrefine.dataset import Recipe, prepare_steps
from napari_medrefine.photos import write_image
from napari_medrefine.progress import finish
from napari_medrefine.superres import ModelCard, list_models, load_model
from napari_medrefine.superres.cards import View
from napari_medrefine.superres.data import read_dataset
from napari_medrefine.superres.training import TrainingConfig, train_steps

README = Path(__file__).parents[2] / "README.md"
TRACKS = {
    "magnify": {"x2", "x4", "x4-bicubic", "x4-optical", "x4-camera"},
    "photo": {"x4-optical", "x4-camera"},
    "sharpen": {"study"},
}
SMALL = TrainingConfig(
    task="magnify", epochs=1, steps_per_epoch=1, batch=2, crop=8, channels=8, blocks=1,
    validation_steps=1, adversarial=0, precision="float32", scales=(2, 4),
)  # fmt: skip


def test_a_card_of_the_first_release_still_loads() -> None:
    first = {
        "format": "medrefine-model", "version": 1, "name": "old", "task": "magnify",
        "architecture": "trunk", "channels": 48, "blocks": 6, "scales": [2, 3, 4], "halo": 14,
        "image_channels": 3, "weights": "gan", "pixel_um": [0.25, 0.5], "optics": "o",
        "degradation": "d", "training": "t", "data": "d", "attribution": "a",
        "training_slides": ["s"], "held_out_slides": [], "metrics": {"x4": {"s": {"psnr": 27.0}}},
        "licence": "MIT", "sha256": "", "caution": "c",
    }  # fmt: skip
    card = ModelCard.model_validate_json(json.dumps(first))
    assert card.metrics["x4"]["s"]["psnr"] == 27
    assert (card.views, card.split_sha256, card.software) == ((), "", "")
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def test_impossible_views_are_refused() -> None:
    for wrong in ({"pixel_um_in": 0}, {"na_in": 2.5}, {"scale": 0}):
        with pytest.raises(ValidationError):
            View(**{"scale": 4, "pixel_um_in": 1.0, "pixel_um_out": 0.25, **wrong})


@pytest.mark.parametrize("name", list_models())
def test_shipped_cards_are_complete(name: str) -> None:
    card = load_model(name).card
    texts = ("optics", "degradation", "training", "data", "attribution", "licence", "software")
    assert not [text for text in texts if not getattr(card, text)]
    assert {view.scale for view in card.views} == set(card.scales)
    for view in card.views:
        assert view.pixel_um_in == pytest.approx(view.scale * view.pixel_um_out)
        assert view.na_out is not None
        assert view.scale == 1 or (view.na_in or 9) < view.na_out
    assert len(card.split_sha256) == 64
    assert not set(card.training_slides) & set(card.held_out_slides)
    assert TRACKS[name.split("-")[0]] <= set(card.metrics)
    for slides in card.metrics.values():
        assert not set(slides) & {*card.training_slides, *card.held_out_slides}
        assert all({"psnr", "ssim", "detail", "consistency"} <= set(v) for v in slides.values())
    assert "not for diagnosis" in card.caution


def test_the_readme_s_figures_are_those_of_the_cards() -> None:
    """Whoever ships other weights must run the benchmark again."""
    page = README.read_text(encoding="utf-8")
    figures = "".join(re.findall(r"<!-- figures:.*?<!-- end of figures -->", page, re.DOTALL))
    for name in list_models():
        card = load_model(name).card
        for track in TRACKS[name.split("-")[0]] - {"x2"}:
            for measured in card.metrics[track].values():
                psnr, mse = f"{measured['psnr']:.2f}", f"{measured['mse']:.1f}"
                assert (psnr if card.task == "magnify" else mse) in figures


def test_a_user_s_card_says_what_is_known(tmp_path: Path) -> None:
    photo = immunohistochemistry()
    (tmp_path / "photos").mkdir()
    for k, slide in enumerate(("ash", "beech", "cedar", "date")):
        row, col = divmod(k, 2)
        part = photo[row * 256 :, col * 256 :][:192, :256]
        write_image(tmp_path / "photos" / f"{slide}_40x_1.tif", part, pixel_um=0.25)
    recipe = Recipe(tile=64, reduce=1, proportions=(2, 1, 1))
    finish(prepare_steps(tmp_path / "photos", tmp_path / "dataset", recipe))
    sides = read_dataset(tmp_path / "dataset")
    done = finish(train_steps(sides.training, sides.validation, SMALL, tmp_path / "run"))
    card = load_model(done.best).card
    assert card.pixel_um == (0.25,)
    assert [(v.scale, v.pixel_um_in, v.pixel_um_out, v.na_in) for v in card.views] == [
        (2, 0.5, 0.25, None),
        (4, 1.0, 0.25, None),
    ]
    assert len(card.split_sha256) == 64
    assert "ask the owner" in card.licence
    assert "napari-medrefine" in card.software
