"""The photos offered as sample data and used by the demo."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medrefine.samples import SlidePhoto, field_to_overview
from napari_medrefine.samples import photos as module


@pytest.fixture
def photos(
    sample_photos: tuple[SlidePhoto, list[SlidePhoto]],
) -> tuple[SlidePhoto, list[SlidePhoto]]:
    return sample_photos


def test_fields_lie_on_the_overview_and_show_tissue(
    photos: tuple[SlidePhoto, list[SlidePhoto]],
) -> None:
    overview, fields = photos
    assert [f.objective for f in fields] == [10, 10, 40, 40]
    for field in fields:
        h, w = field.image.shape[:2]
        corners = np.array([[0, 0, 1], [0, w - 1, 1], [h - 1, 0, 1], [h - 1, w - 1, 1]]).T
        rows, cols, _ = field_to_overview(field, overview) @ corners
        assert min(rows.min(), cols.min()) >= 0
        assert rows.max() <= overview.image.shape[0] - 1
        assert cols.max() <= overview.image.shape[1] - 1
        assert np.ptp(cols) >= 100
        assert (field.image.min(-1) > 215).mean() < 0.6


def test_layers_are_as_if_just_opened(
    photos: tuple[SlidePhoto, list[SlidePhoto]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "demo_photos", lambda _seed: photos)
    layers = module.sample_layers()
    names = [options["name"] for _, options, _ in layers]
    assert names == ["slide 4x", "slide 10x 1", "slide 10x 2", "slide 40x 1", "slide 40x 2"]
    for image, options, kind in layers:
        assert kind == "image"
        assert image.dtype == np.uint8
        assert options["rgb"] is True
        assert options["units"] == ("um", "um")
        assert options["scale"] == (options["metadata"]["medrefine"]["pixel_um"],) * 2
        assert not {"affine", "translate", "rotate"} & set(options)
    assert [options["scale"][0] for _, options, _ in layers] == [1.25, 0.5, 0.5, 0.125, 0.125]
