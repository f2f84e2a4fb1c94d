"""Priors whose weights learn: mixtures and common features."""

from __future__ import annotations

import pytest
import torch

from papergan.game.schedules import Progress
from papergan.objectives.learned_priors import CommonFeatures, GaussianMixture


def drawn(prior, count: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    (z,) = prior(count, Progress())
    return z.detach()


def two_far_apart() -> GaussianMixture:
    prior = GaussianMixture(3, 2)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[10.0, 0.0, 5.0], [-10.0, 0.0, 5.0]]))
        prior.deviation.copy_(torch.tensor([[0.5, 1.0, 0.0], [2.0, -1.0, 0.0]]))
    return prior


def test_a_mixture_has_its_means_its_deviations_and_equal_shares():
    z = drawn(two_far_apart(), 20_000)
    right = z[:, 0] > 0
    assert float(right.float().mean()) == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(z[right].mean(0), torch.tensor([10.0, 0.0, 5.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(z[~right].std(0), torch.tensor([2.0, 1.0, 0.0]), atol=0.05, rtol=0)


def test_each_component_once_per_batch_as_its_authors_code_has_it():
    prior = GaussianMixture(2, 4, each_once=True)
    with torch.no_grad():
        prior.mean.copy_(torch.arange(4.0)[:, None].expand(4, 2))
        prior.deviation.zero_()
    assert drawn(prior, 8)[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_how_a_mixture_begins():
    torch.manual_seed(0)
    prior = GaussianMixture(100, 100, deviation=0.2)
    assert 0.99 < float(prior.mean.detach().abs().max()) <= 1
    assert 0.19 < float(prior.deviation.detach().abs().max()) <= 0.2
    assert abs(float(prior.deviation.detach().mean())) < 0.01


def test_gradients_reach_the_components_that_were_drawn_and_no_others():
    prior = GaussianMixture(2, 3, each_once=True)
    (z,) = prior(2, Progress())
    z.sum().backward()
    assert prior.mean.grad.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert prior.deviation.grad[:2].abs().min() > 0
    assert prior.deviation.grad[2].tolist() == [0, 0]


def test_common_features_are_a_linear_map_of_gaussian_numbers():
    prior = CommonFeatures(4, 3, rescaling="none")
    z = drawn(prior, 50_000)
    assert z.shape == (50_000, 7)
    weight, bias = prior.map.weight.detach(), prior.map.bias.detach()
    torch.testing.assert_close(z.mean(0), bias, atol=0.02, rtol=0)
    torch.testing.assert_close(torch.cov(z.T), weight @ weight.T, atol=0.03, rtol=0)
    assert torch.linalg.matrix_rank(torch.cov(z.T).double(), tol=1e-4) == 4  # FD adds no rank: eq. 1 is linear


def test_a_scalar_mean_is_one_number_for_each_latent():
    torch.manual_seed(0)
    prior = CommonFeatures(6, None)
    with_mean, without = drawn(prior, 5000), drawn(CommonFeatures(6, None, rescaling="none"), 5000)
    shift = with_mean - without
    torch.testing.assert_close(shift, shift[:, :1].expand(-1, 6), atol=1e-5, rtol=0)
    assert 0.99 < float(shift.abs().max()) <= 1 + 1e-5
    assert len(shift[:, 0].unique()) > 4000
    assert float(shift.var()) == pytest.approx(1 / 3, abs=0.02)


def test_a_mean_for_each_dimension():
    shift = drawn(CommonFeatures(6, None, rescaling="per_dimension"), 3000) - drawn(
        CommonFeatures(6, None, rescaling="none"), 3000
    )
    assert abs(float(torch.corrcoef(shift.T)[0, 1])) < 0.05
    assert 0.99 < float(shift.abs().max()) <= 1 + 1e-5


def test_a_replaced_mean_is_the_latents_own_mean_gone():
    z = drawn(CommonFeatures(16, None, rescaling="replace"), 20_000)
    means = z.mean(1)
    assert float(means.abs().max()) <= 1 + 1e-5
    assert float(means.var()) == pytest.approx(1 / 3, abs=0.01)  # uniform on [-1, 1], and nothing of N(0, 1/16)


@pytest.mark.parametrize("prior", [GaussianMixture(5, 3), CommonFeatures(5, 2), CommonFeatures(5, None)])
def test_truncation_narrows_what_is_drawn_of_the_gaussian(prior):
    torch.manual_seed(0)
    (narrow,) = prior.truncated(4000, Progress(), 0.1)
    assert narrow.shape == (4000, prior.latent_dim)
    assert float(narrow.detach().std()) < float(drawn(prior, 4000).std())


def test_tanh_is_applied_before_the_mean():
    prior = CommonFeatures(4, 1, activation="tanh", rescaling="scalar")
    with torch.no_grad():
        prior.map.weight.mul_(100)
    z = drawn(prior, 100)
    prior.rescaling = "none"
    without = drawn(prior, 100)
    assert 0.999 < float(without.abs().max()) <= 1
    assert float(z.abs().max()) > 1.5
    torch.testing.assert_close(z - without, (z - without)[:, :1].expand(-1, 5), atol=1e-5, rtol=0)
