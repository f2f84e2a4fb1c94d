from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics import parzen
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_the_formula(samples: Tensor, point: Tensor, bandwidth: float) -> float:
    """The average of the N densities, one by one."""
    norm = (2 * math.pi * bandwidth**2) ** (samples.shape[1] / 2)
    kernels = [math.exp(-(math.dist(point, sample) ** 2) / (2 * bandwidth**2)) / norm for sample in samples.tolist()]
    return math.log(sum(kernels) / len(kernels))


def test_one_kernel_in_two_dimensions_at_its_centre() -> None:
    mean, error = parzen_log_likelihood(torch.ones(1, 2), torch.ones(1, 2), 0.3)
    assert mean == pytest.approx(-math.log(2 * math.pi * 0.3**2), rel=1e-12)
    assert error == 0


def test_two_kernels_by_hand() -> None:
    samples = torch.tensor([[-1.0], [1.0]])
    mean, _ = parzen_log_likelihood(samples, torch.zeros(1, 1), 1.0)  # both kernels have density phi(1)
    assert mean == pytest.approx(-0.5 - 0.5 * math.log(2 * math.pi), rel=1e-12)


def test_agrees_with_the_formula_point_by_point_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, test = random(30, 3), random(11, 3, seed=1)
    densities = np.array([by_the_formula(samples, point, 0.7) for point in test])
    for block in (1, 4, 500):
        monkeypatch.setattr(parzen, "POINTS_PER_BLOCK", block)
        mean, error = parzen_log_likelihood(samples, test, 0.7)
        assert mean == pytest.approx(densities.mean(), rel=1e-7)  # exponentials are in float32
        assert error == pytest.approx(densities.std() / math.sqrt(11), rel=1e-6)


def test_far_points_do_not_underflow_and_a_large_offset_costs_no_digits() -> None:
    far, _ = parzen_log_likelihood(torch.zeros(5, 1), torch.full((1, 1), 100.0), 0.1)
    assert far == pytest.approx(-(100**2) / (2 * 0.1**2) - 0.5 * math.log(2 * math.pi * 0.1**2), rel=1e-12)
    samples, test = random(40, 6).double(), random(10, 6, seed=1).double()
    near = parzen_log_likelihood(samples, test, 0.1)
    assert parzen_log_likelihood(samples + 1e6, test + 1e6, 0.1) == pytest.approx(near, rel=1e-7)


def test_scaling_every_value_subtracts_the_logarithm_for_each_dimension() -> None:
    samples, test = random(40, 6), random(10, 6, seed=1)
    mean, error = parzen_log_likelihood(samples, test, 0.5)
    scaled = parzen_log_likelihood(2 * samples, 2 * test, 1.0)
    assert scaled == pytest.approx((mean - 6 * math.log(2), error), rel=1e-10)


def test_converges_to_the_density_of_the_smoothed_law() -> None:
    """Samples of N(0, 1) under a window of deviation h estimate N(0, 1 + h^2)."""
    test = torch.linspace(-2, 2, 9)[:, None]
    mean, _ = parzen_log_likelihood(random(20000, 1), test, 0.5)
    expected = float((-test.double().square() / (2 * 1.25) - 0.5 * math.log(2 * math.pi * 1.25)).mean())
    assert mean == pytest.approx(expected, abs=0.01)


def test_the_default_candidates_are_the_papers_grid() -> None:
    assert pytest.approx(np.logspace(-1, 0, 10)) == parzen.BANDWIDTHS


def test_the_chosen_bandwidth_is_the_likeliest_of_the_candidates() -> None:
    samples, validation = random(300, 2), random(200, 2, seed=1)
    likelihoods = {h: parzen_log_likelihood(samples, validation, h)[0] for h in parzen.BANDWIDTHS}
    assert choose_bandwidth(samples, validation) == max(likelihoods, key=likelihoods.__getitem__)
    assert 0.1 < choose_bandwidth(samples, validation) < 1
    assert choose_bandwidth(torch.zeros(1, 1), torch.tensor([[2.0], [-2.0]]), [1.0, 2.0, 4.0]) == 2.0  # the deviation


def test_centroids_beat_real_data_which_is_why_it_is_historical() -> None:
    """Points at the centres of four clusters, none of which occurs, are likelier than 8 draws of the law itself."""
    centres = 0.5 * random(4, 50, seed=2)

    def draw(count: int, seed: int) -> Tensor:
        return centres[torch.arange(count) % 4] + 0.1 * random(count, 50, seed=seed)

    real, validation, test = draw(8, 3), draw(100, 4), draw(100, 5)
    scores = [parzen_log_likelihood(s, test, choose_bandwidth(s, validation))[0] for s in (centres, real)]
    assert scores[0] > scores[1] + 5


def test_a_score_has_the_likelihood_of_the_points_by_which_its_bandwidth_was_chosen() -> None:
    samples, validation, test = random(300, 2), random(200, 2, seed=1), random(100, 2, seed=2)
    score = parzen.parzen_score(samples, validation, test, parzen.BANDWIDTHS)
    assert score[:2] == parzen_log_likelihood(samples, test, score.bandwidth)
    likelihoods = [parzen_log_likelihood(samples, validation, h)[0] for h in parzen.BANDWIDTHS]
    assert score.validation == pytest.approx(max(likelihoods))


def test_what_cannot_be_estimated_is_refused() -> None:
    for samples, test in ((torch.zeros(0, 2), torch.zeros(3, 2)), (torch.zeros(3, 2), torch.zeros(0, 2))):
        with pytest.raises(EvaluationError, match=r"samples \[N, D\]"):
            parzen_log_likelihood(samples, test, 1.0)
    with pytest.raises(EvaluationError, match="flatten images"):
        parzen_log_likelihood(torch.zeros(3, 1, 2, 2), torch.zeros(3, 1, 2, 2), 1.0)
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        parzen_log_likelihood(torch.full((3, 2), float("nan")), torch.zeros(3, 2), 1.0)
    for bandwidth in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(EvaluationError, match="positive"):
            choose_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), [1.0, bandwidth])
    with pytest.raises(EvaluationError, match="candidate"):
        choose_bandwidth(torch.zeros(3, 2), torch.zeros(3, 2), [])
