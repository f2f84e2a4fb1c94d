from __future__ import annotations

import math

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.modes import Mixture, ModeCoverage, mode_coverage


def test_the_ring_has_distinct_centres_equally_spaced_on_the_circle() -> None:
    centres = Mixture.ring().centres
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(centres[0], torch.tensor([2.0, 0.0], dtype=torch.float64))
    steps = (centres - centres.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(steps, torch.full((8,), 4 * math.sin(math.pi / 8), dtype=torch.float64))
    assert Mixture.ring().deviation == 0.02


def test_the_grid_is_the_one_of_the_papers() -> None:
    expected = {(float(x), float(y)) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {(x, y) for x, y in Mixture.grid().centres.tolist()} == expected
    assert Mixture.grid().deviation == 0.05
    assert Mixture.grid(side=2, spacing=1.0).centres.tolist() == [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]


def test_samples_have_the_mixtures_moments_and_belong_to_their_seed() -> None:
    mixture = Mixture.grid(side=3, spacing=1.0, deviation=0.5)
    state = torch.get_rng_state()
    samples = mixture.sample(50000, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert samples.dtype == torch.float32
    assert torch.equal(samples, mixture.sample(50000, seed=1))
    assert not torch.equal(samples, mixture.sample(50000, seed=2))
    expected = (2 / 3 + 0.25) * torch.eye(2)  # variance of {-1, 0, 1} and of the noise
    torch.testing.assert_close(samples.T.cov(), expected, rtol=0, atol=0.02)


def test_samples_of_the_mixture_reach_the_known_quality_and_nearly_no_divergence() -> None:
    """Within r deviations in the plane lies 1 - exp(-r^2 / 2); 2 N KL(shares || uniform) is chi^2 of K - 1."""
    for mixture in (Mixture.ring(), Mixture.grid()):
        found = mode_coverage(mixture.sample(20000, seed=3), mixture)
        assert found.modes == len(mixture.centres)
        assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.003)
        assert 0 < found.divergence < 3 * len(mixture.centres) / (2 * 20000)
    closer = mode_coverage(mixture.sample(20000, seed=3), mixture, within=1.0)
    assert closer.high_quality == pytest.approx(1 - math.exp(-0.5), abs=0.012)


def test_by_hand() -> None:
    """Four centres; three good samples at one, one at another, one just outside, one nowhere."""
    mixture = Mixture(torch.tensor([[0.0, 0.0], [0.0, 10.0], [10.0, 0.0], [10.0, 10.0]]), deviation=1.0)
    samples = [[0.0, 0.0], [2.0, 2.0], [-3.0, 0.0], [10.0, 9.0], [10.0, 6.9], [5.0, 5.0]]
    found = mode_coverage(torch.tensor(samples), mixture)
    assert (found.modes, found.high_quality) == (2, 4 / 6)  # 3 deviations, not more, are within
    assert found.divergence == pytest.approx(0.75 * math.log(0.75 * 4) + 0.25 * math.log(0.25 * 4), rel=1e-12)


def test_balanced_modes_have_no_divergence_and_one_mode_has_all_of_it() -> None:
    mixture = Mixture.ring()
    assert mode_coverage(mixture.centres, mixture) == ModeCoverage(8, 1.0, 0.0)
    collapsed = mode_coverage(mixture.centres[2:3].expand(10, 2), mixture)
    assert (collapsed.modes, collapsed.high_quality) == (1, 1.0)
    assert collapsed.divergence == pytest.approx(math.log(8), rel=1e-12)


def test_without_any_good_sample_everything_is_worst() -> None:
    assert mode_coverage(torch.zeros(5, 2), Mixture.ring()) == ModeCoverage(0, 0.0, math.log(8))


def test_what_is_no_mixture_and_no_sample_is_refused() -> None:
    for bad in (torch.zeros(0, 2), torch.zeros(4, 3), torch.tensor([[0.0, float("nan")]])):
        with pytest.raises(EvaluationError, match=r"samples \[N >= 1, 2\]"):
            mode_coverage(bad, Mixture.ring())
    for modes in (0, -1):
        with pytest.raises(EvaluationError, match=r"centres \[K >= 1, 2\]"):
            Mixture.ring(modes=modes)
        with pytest.raises(EvaluationError, match=r"centres \[K >= 1, 2\]"):
            Mixture.grid(side=modes)
    with pytest.raises(EvaluationError, match="deviation > 0"):
        Mixture.grid(deviation=0)
