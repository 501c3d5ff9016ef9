"""What the networks are trained to make small is small where it should be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_medrefine.superres import losses


@pytest.fixture
def truth() -> Tensor:
    chance = torch.Generator().manual_seed(0)
    return 0.5 + 0.1 * torch.randn(2, 3, 64, 64, generator=chance)


def faded(truth: Tensor, energy: float) -> Tensor:
    """Return `truth` with its differences from grey having `energy` times their energy."""
    return 0.5 + energy**0.5 * (truth - 0.5)


def test_amplitude_aims_at_a_share_of_the_detail(truth: Tensor) -> None:
    soft, aim, truthful, busy = (
        losses.amplitude(faded(truth, energy), truth).item() for energy in (0.4, 0.88, 1.0, 1.6)
    )
    assert aim < 1e-4 < truthful < busy < soft


def test_amplitude_counts_each_crop_and_leaves_blanks_alone(truth: Tensor) -> None:
    half = torch.cat([faded(truth[:1], 0.88), faded(truth[1:], 0.44)])
    assert losses.amplitude(half, truth).item() == pytest.approx(0.5 * 0.693**2, rel=0.02)
    blank = torch.full((1, 3, 64, 64), 0.95)
    grain = blank + 1e-3 * torch.randn(blank.shape, generator=torch.Generator().manual_seed(1))
    assert losses.amplitude(grain, blank, share=1.0).item() < 0.01


def test_amplitude_asks_for_no_more_than_can_be_amplified(truth: Tensor) -> None:
    faithful = faded(truth, 0.1)
    modest, busy = (
        losses.amplitude(faded(truth, energy), truth, faithful).item() for energy in (0.3, 0.88)
    )
    assert modest < 1e-3 < 1 < busy
    crisp = faded(truth, 0.5)
    assert losses.amplitude(faded(truth, 0.88), truth, crisp).item() < 1e-4


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_repetition_sees_a_grid_and_neither_grain_nor_a_shift(truth: Tensor, scale: int) -> None:
    grid = torch.zeros(1, 1, scale, scale)
    grid[..., 0, 0] = 0.1
    tiled = grid.repeat(1, 1, 64 // scale + 1, 64 // scale + 1)[..., :64, :64]
    shown = losses.repetition(truth + tiled, truth, scale).item()
    assert shown == pytest.approx(float((grid - grid.mean()).square().mean()), rel=1e-3)
    grain = 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(2))
    assert losses.repetition(truth + grain, truth, scale).item() < 0.05 * grain.square().mean()
    assert losses.repetition(truth + 0.2, truth, scale).item() < 1e-9


def test_at_one_to_one_there_is_no_grid(truth: Tensor) -> None:
    assert losses.repetition(truth.flip(0), truth, 1).item() == 0


def test_consistency_sees_only_what_survives_the_reduction(truth: Tensor) -> None:
    halving = torch.kron(torch.eye(32), torch.tensor([[0.5, 0.5]])).expand(2, 32, 64)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32)
    assert losses.consistency(truth + checks, truth, halving).item() < 1e-6
    assert losses.consistency(truth + 0.1, truth, halving).item() == pytest.approx(0.1, rel=1e-4)


def test_the_relativistic_loss_wants_its_own_ahead() -> None:
    low, high = torch.zeros(4, 1), torch.ones(4, 1)
    assert losses.adversarial(high, low) < losses.adversarial(low, high)
