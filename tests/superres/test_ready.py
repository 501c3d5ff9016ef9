"""Generators made ready once: noticed changes, dtype of the processor, bfloat16's small price."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_medrefine import MedRefineError, magnify
from napari_medrefine.progress import finish
from napari_medrefine.superres import ModelCard, models, save_model
from napari_medrefine.superres.chain import Chain
from napari_medrefine.superres.generator import Trunk
from napari_medrefine.superres.inference import run_steps
from napari_medrefine.superres.models import describe, model_for
from napari_medrefine.superres.precision import Dtype, Precision, inference_precision
from napari_medrefine.superres.ready import converted, ready_generator


def scene() -> np.ndarray:
    rows, columns = np.indices((60, 70))
    spots = np.exp(-(((rows % 14) - 7.0) ** 2 + ((columns % 17) - 8.0) ** 2) / 9)
    return (np.array([235, 180, 210]) - spots[..., None] * [140, 130, 80]).astype(np.uint8)


def write(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    generator = Trunk(16, 1)
    save_model(path, generator, ModelCard(name="m", task="magnify", **describe(generator)))


def test_changed_weights_are_noticed_and_missing_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    write(path, 1)
    first = magnify(scene(), 2, model=path)
    write(path, 2)
    assert not np.array_equal(magnify(scene(), 2, model=path), first)
    write(path, 1)
    np.testing.assert_array_equal(magnify(scene(), 2, model=path), first)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MedRefineError, match=r"mine\.safetensors"):
        magnify(scene(), 2, model=path)
    path.unlink()
    with pytest.raises(MedRefineError, match="no weight file"):
        magnify(scene(), 2, model=path)


@pytest.mark.parametrize("realism", [0.0, 0.3])
def test_unchanged_weights_are_read_once(realism: float, monkeypatch: pytest.MonkeyPatch) -> None:
    first = magnify(scene(), 2, realism=realism)

    def refused(path: Path) -> None:
        raise AssertionError(f"read {path} again")

    monkeypatch.setattr(models, "read_file", refused)
    np.testing.assert_array_equal(magnify(scene(), 2, realism=realism), first)
    with pytest.raises(AssertionError, match="again"):
        magnify(scene(), 2, realism=realism + 0.05)


def test_ones_own_model_is_not_the_shared_one() -> None:
    before = [each.clone() for each in ready_generator("magnify").parameters()]
    with torch.no_grad():
        for parameter in model_for("magnify").generator.parameters():
            parameter.zero_()
    for parameter, kept in zip(ready_generator("magnify").parameters(), before, strict=True):
        torch.testing.assert_close(parameter, kept, rtol=0, atol=0)


@pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="a GPU comes first"
)
@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "dtype"),
    [(True, False, "bfloat16"), (False, True, "bfloat16"), (False, False, "float32"),
     (None, None, "float32")],
)  # fmt: skip
def test_dtype_is_what_the_processor_has(
    monkeypatch: pytest.MonkeyPatch, avx512_bf16: bool | None, amx: bool | None, dtype: Dtype
) -> None:
    names = {"_is_avx512_bf16_supported": avx512_bf16, "_is_amx_tile_supported": amx}
    for name, answer in names.items():
        if answer is None:  # a version of torch without the question
            monkeypatch.delattr(torch.cpu, name, raising=False)
        else:
            monkeypatch.setattr(torch.cpu, name, lambda answer=answer: answer, raising=False)
    assert inference_precision() == Precision("cpu", dtype, channels_last=True)
    assert ready_generator("sharpen").dtype == getattr(torch, dtype)


def ran(image: np.ndarray, scale: int, dtype: Dtype, strength: float = 1.0) -> np.ndarray:
    generator = converted(model_for("magnify").generator, Precision(dtype=dtype))
    shape = (image.shape[0] * scale, image.shape[1] * scale)
    return finish(run_steps(image, shape, Chain(generator, (scale,), strength)))


def test_bfloat16_costs_a_fraction_of_a_grey_level() -> None:
    exact, rounded = (ran(scene(), 4, dtype).astype(int) for dtype in ("float32", "bfloat16"))
    error = np.abs(exact - rounded)
    assert 0 < error.mean() < 0.1
    assert error.max() <= 2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_white_and_plain_interpolation_stay_exact_in_bfloat16(scale: int) -> None:
    white = np.ones((20, 30, 3), np.float32)
    np.testing.assert_array_equal(ran(white, scale, "bfloat16"), 1)
    unit = (scene() / 255).astype(np.float32)
    plain = [ran(unit, scale, dtype, 0) for dtype in ("float32", "bfloat16")]
    np.testing.assert_array_equal(*plain)
    assert not np.array_equal(plain[0], ran(unit, scale, "bfloat16"))
