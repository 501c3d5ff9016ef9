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


def test_consistency_sees_only_what_survives_the_reduction(truth: Tensor) -> None:
    halving = torch.kron(torch.eye(32), torch.tensor([[0.5, 0.5]])).expand(2, 32, 64)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32)
    assert losses.consistency(truth + checks, truth, halving).item() < 1e-6
    assert losses.consistency(truth + 0.1, truth, halving).item() == pytest.approx(0.1, rel=1e-4)


def test_the_relativistic_loss_wants_its_own_ahead() -> None:
    low, high = torch.zeros(4, 1), torch.ones(4, 1)
    assert losses.adversarial(high, low) < losses.adversarial(low, high)
