"""Tiles join to exactly the whole, and nothing moves."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medrefine.progress import Step, finish
from napari_medrefine.superres.cards import Task
from napari_medrefine.superres.chain import Chain, choose_heads
from napari_medrefine.superres.consistency import KINDS, Kind, Reduction
from napari_medrefine.superres.generator import Trunk, UNet
from napari_medrefine.superres.inference import run_steps
from napari_medrefine.superres.models import model_for
from napari_medrefine.superres.precision import Dtype, Precision
from napari_medrefine.superres.ready import converted


def noisy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.9, shape).astype(np.float32)


def strong(generator: Trunk | UNet) -> Trunk | UNet:
    """Make what the generator adds large, so that a wrong halo cannot hide."""
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(1.5)
    return generator.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    torch.manual_seed(1)
    return strong(Trunk(16, 2))


@pytest.fixture(scope="module")
def unet() -> UNet:
    torch.manual_seed(2)
    return strong(UNet(16))


def ran(image: np.ndarray, shape: tuple[int, int], chain: Chain, tile: int) -> np.ndarray:
    return finish(run_steps(image, shape, chain, tile=tile))


@pytest.mark.parametrize(("tile", "scale"), [(33, 2), (90, 3), (130, 4)])
def test_trunk_tiles_equal_the_whole(trunk: Trunk, tile: int, scale: int) -> None:
    image = noisy((161, 194, 3))
    shape = (161 * scale, 194 * scale)
    whole = ran(image, shape, Chain(trunk, (scale,)), 10_000)
    assert np.abs(whole - np.repeat(np.repeat(image, scale, 0), scale, 1)).max() > 0.05
    np.testing.assert_array_equal(ran(image, shape, Chain(trunk, (scale,)), tile), whole)


@pytest.mark.parametrize("tile", [40, 72, 130])
def test_unet_tiles_equal_the_whole(unet: UNet, tile: int) -> None:
    image = noisy((231, 305, 3))
    whole = ran(image, (231, 305), Chain(unet, (1,)), 10_000)
    assert np.abs(whole - image).max() > 0.02
    # On very small images torch may sum in another order: the last bit of float32.
    tiled = ran(image, (231, 305), Chain(unet, (1,)), tile)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=5e-7)


@cache
def shipped(task: Task, dtype: Dtype) -> Trunk | UNet:
    return converted(model_for(task, 0.5).generator, Precision(dtype=dtype, channels_last=True))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("task", "tile"), [("magnify", 100), ("sharpen", 70)])
def test_shipped_weights_join_bit_by_bit(task: Task, tile: int, dtype: Dtype) -> None:
    generator = shipped(task, dtype)
    image = noisy((150, 201, 3))
    head = max(generator.scales)
    shape = (150 * head, 201 * head)
    whole = ran(image, shape, Chain(generator, (head,)), 10_000)
    np.testing.assert_array_equal(ran(image, shape, Chain(generator, (head,)), tile), whole)


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_any_tile_of_any_image_joins_bit_by_bit(data: st.DataObject) -> None:
    """As shipped, with whatever makes the result consistent, borders and all."""
    task = data.draw(st.sampled_from(("magnify", "sharpen")))
    generator = shipped(task, data.draw(st.sampled_from(("float32", "bfloat16"))))
    height, width = data.draw(st.tuples(*[st.integers(20, 140)] * 2), label="shape")
    tile = data.draw(st.integers(40, 139), label="tile")
    head = data.draw(st.sampled_from(generator.scales))
    kind = data.draw(st.sampled_from((None, *KINDS))) if head > 1 else None
    reduction = Reduction(kind, head, 0.8) if kind else None
    chain = Chain(generator, (head,), reduction=reduction)
    image, shape = noisy((height, width, 3), tile), (height * head, width * head)
    whole = ran(image, shape, chain, 10_000)
    np.testing.assert_array_equal(ran(image, shape, chain, tile), whole)


@pytest.mark.parametrize("scale", [2.5, 5.0])
@pytest.mark.parametrize("kind", [None, "area", "bicubic"])
def test_several_passes_and_reduction_join_too(
    trunk: Trunk, scale: float, kind: Kind | None
) -> None:
    image = noisy((143, 187, 4))
    shape = (round(143 * scale), round(187 * scale))
    heads = choose_heads(trunk.scales, scale)
    chain = Chain(trunk, heads, reduction=Reduction(kind, heads[0]) if kind else None)
    whole = ran(image, shape, chain, 10_000)
    np.testing.assert_array_equal(ran(image, shape, chain, 80), whole)


def test_reduction_without_network_joins() -> None:
    image = noisy((90, 70))
    whole = ran(image, (31, 22), Chain(None, ()), 10_000)
    np.testing.assert_array_equal(ran(image, (31, 22), Chain(None, ()), 9), whole)


def test_too_small_a_halo_would_be_noticed(trunk: Trunk) -> None:
    image = noisy((261, 294, 3))
    whole = ran(image, (522, 588), Chain(trunk, (2,)), 10_000)
    short = strong(Trunk(16, 2))
    short.load_state_dict(trunk.state_dict())
    short.halo = trunk.halo - 2
    assert not np.array_equal(ran(image, (522, 588), Chain(short, (2,)), 128), whole)


@pytest.mark.parametrize("generator", [Trunk(4, 3), UNet(4, 0), UNet(4)])
def test_halo_is_how_far_a_pixel_reaches(generator: Trunk | UNet) -> None:
    """In a network of positive weights every change is passed on, to the very end of its reach."""
    for parameter in generator.double().requires_grad_(requires_grad=False).parameters():
        parameter.abs_()
    shades = 1 + torch.rand(1, 3, 112, 112, dtype=torch.float64)
    reach = 0
    for column in range(52, 52 + generator.multiple):
        changed = shades.clone()
        changed[..., column] += 1
        scale = generator.scales[0]
        difference = generator.residual(changed, scale) - generator.residual(shades, scale)
        found = difference.abs().amax((0, 1, 2)).nonzero()
        reach = max(reach, column - int(found.min()), int(found.max()) - column)
    assert generator.halo - generator.multiple < reach <= generator.halo


def test_network_only_sees_tiles(trunk: Trunk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    plain = Trunk.residual
    monkeypatch.setattr(
        Trunk, "residual", lambda self, x, s: (seen.append(x.shape[-2:]), plain(self, x, s))[1]
    )
    ran(noisy((200, 300, 3)), (400, 600), Chain(trunk, (2,)), 32)
    assert max(max(size) for size in seen) <= 128


def test_steps_count_the_tiles(trunk: Trunk) -> None:
    steps: list[Step] = []
    finish(run_steps(noisy((40, 40)), (80, 80), Chain(trunk, (2,)), tile=20), steps.append)
    assert [step.done for step in steps] == [0, 1, 2, 3, 4]
    assert {step.total for step in steps} == {4}


@pytest.mark.parametrize(
    ("ratio", "heads"),
    [(1.0, ()), (1.1, (2,)), (2, (2,)), (2.5, (3,)), (4, (4,)), (5, (3, 2)), (8, (4, 2)),
     (10, (4, 3)), (16, (4, 4)), (17, (3, 3, 2)), (64, (4, 4, 4))],
)  # fmt: skip
def test_least_enlargement_is_chosen(ratio: float, heads: tuple[int, ...]) -> None:
    assert choose_heads((2, 3, 4), ratio) == heads


def test_sharpening_network_enlarges_after_interpolation(unet: UNet) -> None:
    image = noisy((33, 50, 3))
    chain = Chain(unet, choose_heads(unet.scales, 2.5))
    whole = ran(image, (82, 125), chain, 10_000)
    np.testing.assert_allclose(ran(image, (82, 125), chain, 8), whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("task", ["magnify", "sharpen"])
@pytest.mark.parametrize("grey", [60, 128, 220])
def test_no_edge_is_drawn_along_the_border(task: Task, grey: int) -> None:
    flat = np.full((70, 50, 3), grey, np.float32)
    generator = model_for(task).generator
    head = max(generator.scales)
    done = ran(flat, (70 * head, 50 * head), Chain(generator, (head,)), 10_000)
    np.testing.assert_allclose(done[:1], done[35 * head : 35 * head + 1], atol=0.05)
    np.testing.assert_allclose(done[:, -1], done[:, 25 * head - 1], atol=0.05)
