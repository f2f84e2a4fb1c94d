"""Penalties and feature terms against closed forms on discriminators whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.tiny_game import sgd, tiny_game
from papergan.game.augmentation import DiffAugment
from papergan.game.game import DiscriminatorOutput, Match, Turn
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.terms import Extra
from papergan.game.training_step import training_step
from papergan.objectives.adaptive_mix import FeatureShrinkage, beta
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.gradient_penalties import R1, R2, GradientPenalty, LocalGradientPenalty, lazy_penalties


class Linear(nn.Module):
    """score = slope * sum(x): its gradient has norm slope * sqrt(16) at every 4x4 image."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, images):
        flat = images.flatten(1)
        return DiscriminatorOutput(self.slope * flat.sum(1), (self.slope * flat,), {"kl": self.slope * flat.mean()})


def round_with(term, discriminator: nn.Module, images: torch.Tensor, augment=None) -> StepContext:
    game = tiny_game(discriminator=discriminator, augment=augment)
    game.networks["discriminator"].requires_grad_(True)
    return StepContext(game, Turn("discriminator", (term,)), {"image": images}, Progress())


IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("slope", [0.1, 0.25, 2.0])
def test_gradient_penalty_of_a_linear_critic(slope):
    term = GradientPenalty()
    value = term(round_with(term, Linear(slope), IMAGES))
    assert value.item() == pytest.approx((4 * slope - 1) ** 2, rel=1e-5)


def test_gradient_penalty_trains_the_critic_by_its_second_derivative():
    critic, term = Linear(0.5), GradientPenalty()
    (gradient,) = torch.autograd.grad(term(round_with(term, critic, IMAGES)), critic.slope)
    assert gradient.item() == pytest.approx(2 * (4 * 0.5 - 1) * 4, rel=1e-5)


def test_gradient_penalty_is_taken_between_real_and_fake():
    seen = []

    class Spy(Linear):
        def forward(self, images):
            seen.append(images.detach().clone())
            return super().forward(images)

    term = GradientPenalty()
    context = round_with(term, Spy(1.0), IMAGES)
    term(context)
    real, fake, between = context.real(Match()), context.fake(Match()), seen[-1]
    share = (between - real) / (fake - real)
    for sample in share.flatten(1):
        torch.testing.assert_close(sample, sample[:1].expand(16), rtol=1e-3, atol=1e-3)
        assert 0 <= sample[0] <= 1
    assert len(share[:, 0, 0, 0].round(decimals=2).unique()) == 6


@pytest.mark.parametrize("spread", [0.3, 1e-3, 1e-4])
def test_the_local_penalty_is_taken_within_the_deviation_of_images_that_are_nearly_alike(spread):
    """About 0.9, the difference of two squares would leave nothing of a deviation of 1e-4 in float32."""
    seen = []

    class Spy(Linear):
        def forward(self, images):
            seen.append(images.detach().double())
            return super().forward(images)

    images = 0.9 + spread * torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    context = round_with(LocalGradientPenalty(), Spy(1.0), images)
    torch.manual_seed(3)
    LocalGradientPenalty()(context)
    torch.manual_seed(3)
    noise, share = torch.rand(64, 1, 4, 4), torch.rand(64, 1, 1, 1)
    found = (seen[-1] - images.double()).sum() / (0.5 * share * noise).double().sum()
    assert float(found) == pytest.approx(float(images.double().std(correction=0)), rel=1e-3)


@pytest.mark.parametrize("slope", [0.3, -1.5])
def test_r1_of_a_linear_critic_is_half_the_squared_slope(slope):
    term = R1()
    assert term(round_with(term, Linear(slope), IMAGES)).item() == pytest.approx(0.5 * 16 * slope**2, rel=1e-5)


def test_r1_through_an_augmentation_has_a_second_derivative():
    critic, term = Linear(0.7), R1()
    torch.manual_seed(0)
    value = term(round_with(term, critic, IMAGES, augment=DiffAugment("rotation,color,translation,cutout")))
    (gradient,) = torch.autograd.grad(value, critic.slope)
    assert value.item() > 0
    assert gradient.item() == pytest.approx(2 * value.item() / 0.7, rel=1e-4)  # value is quadratic in the slope


def test_r1_sees_the_augmentation():
    term = R1()
    torch.manual_seed(0)
    blanked = term(round_with(term, Linear(1.0), IMAGES, augment=lambda x: x * 0.5))
    assert blanked.item() == pytest.approx(0.5 * 16 * 0.25, rel=1e-5)


class Quadratic(nn.Module):
    """score = slope / 2 * sum(x^2): its gradient at x is slope * x."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, images):
        return DiscriminatorOutput(0.5 * self.slope * images.square().flatten(1).sum(1))


@pytest.mark.parametrize(("term", "side"), [(R1(), "real"), (R2(), "fake")])
def test_r1_and_r2_are_half_the_mean_squared_gradient_at_images_of_their_own_side(term, side):
    critic = Quadratic(0.6)
    context = round_with(term, critic, IMAGES)
    value = term(context)
    energy = getattr(context, side)(Match()).detach().square().flatten(1).sum(1).mean().item()
    assert value.item() == pytest.approx(0.5 * 0.6**2 * energy, rel=1e-5)
    (gradient,) = torch.autograd.grad(value, critic.slope)
    assert gradient.item() == pytest.approx(0.6 * energy, rel=1e-5)


def test_r2_is_taken_through_the_augmentation_at_images_that_are_constants():
    term = R2()
    context = round_with(term, Linear(1.0), IMAGES, augment=lambda x: x * 0.5)
    assert term(context).item() == pytest.approx(0.5 * 16 * 0.25, rel=1e-5)
    assert context.fake(Match()).is_leaf


def test_a_turn_with_r1_stays_in_float32():
    types = []

    class Spy(Linear):
        def forward(self, images):
            types.append(torch.is_autocast_enabled("cpu"))
            return super().forward(images)

    lazy = Turn("discriminator", (R1(),))
    game = tiny_game(discriminator=Spy(1.0), lazy_turns=[lazy])
    training_step(game, [{"image": IMAGES}], Progress(), autocast=torch.bfloat16)
    assert types == [True, True, False, True]  # loss on real and fake, R1, the generator's turn


def test_feature_matching_is_the_l1_distance_of_batch_means():
    term = FeatureMatching()
    context = round_with(term, Linear(2.0), IMAGES)
    fake = context.fake(Match()).detach()
    expected = (2.0 * IMAGES.flatten(1).mean(0) - 2.0 * fake.flatten(1).mean(0)).abs().mean()
    assert term(context).item() == pytest.approx(expected.item(), rel=1e-5)


def test_feature_matching_moves_the_generator_and_not_the_discriminator():
    term = FeatureMatching()
    game = tiny_game(generator_terms=[term])
    game.turns = [Turn("generator", (term,))]
    before = [w.clone() for w in game.networks.parameters()]
    training_step(game, [{"image": IMAGES}], Progress())
    moved = {n for (n, w), old in zip(game.networks.named_parameters(), before, strict=True) if not torch.equal(w, old)}
    assert moved
    assert all(name.startswith("generator.") for name in moved)


def test_feature_shrinkage_is_zero_where_features_are_linear_and_noise_is_off():
    term = FeatureShrinkage(noise_std=0.0)
    assert term(round_with(term, Linear(1.3), IMAGES)).item() == pytest.approx(0.0, abs=1e-6)


def test_feature_shrinkage_is_positive_where_features_bend():
    class Bent(Linear):
        def forward(self, images):
            return DiscriminatorOutput(images.flatten(1).sum(1), (images.flatten(1).pow(3),))

    term = FeatureShrinkage(noise_std=0.0)
    assert 1e-4 < term(round_with(term, Bent(1.0), IMAGES)).item() <= 2.0


def test_feature_shrinkage_has_no_gradient_through_the_features_that_it_aims_at():
    game, term = tiny_game(), FeatureShrinkage(noise_std=0.0)
    network = game.networks["discriminator"].requires_grad_()
    context = StepContext(game, Turn("discriminator", (term,)), {"image": IMAGES}, Progress())
    torch.manual_seed(3)
    (found,) = torch.autograd.grad(term(context), network.first.weight)
    torch.manual_seed(3)
    order, share = torch.randperm(len(IMAGES)), torch.rand(())
    plain = torch.tanh(network.first(IMAGES.flatten(1))).detach()
    mixed = torch.tanh(network.first((share * IMAGES + (1 - share) * IMAGES[order]).flatten(1)))
    target = share * plain + (1 - share) * plain[order]
    cosines = (mixed * target).sum(1) / (mixed.norm(dim=1) * target.norm(dim=1))
    (expected,) = torch.autograd.grad(1 - cosines.mean(), network.first.weight)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_feature_shrinkage_costs_one_more_pass_of_the_trunk():
    game = tiny_game(discriminator_terms=[FeatureShrinkage()])
    game.turns = game.turns[:1]
    training_step(game, [{"image": IMAGES}], Progress())
    assert game.networks["discriminator"].calls == 3


def test_beta_has_the_moments_of_its_distribution():
    torch.manual_seed(0)
    for alpha in (0.4, 1.0, 3.0):
        draws = torch.stack([beta(alpha, torch.device("cpu")) for _ in range(4000)])
        assert draws.mean().item() == pytest.approx(0.5, abs=0.02)
        assert draws.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_extras_are_read_from_the_sides_asked_for():
    both, fake = Extra("kl", real=True, fake=True), Extra("kl", fake=True)
    context = round_with(both, Linear(2.0), IMAGES)
    fakes = context.fake(Match())
    assert both(context).item() == pytest.approx(2.0 * (IMAGES.mean() + fakes.mean()).item(), rel=1e-4)
    assert fake(context).item() == pytest.approx(2.0 * fakes.mean().item(), rel=1e-4)
    with pytest.raises(ValueError, match="real side, the fake one, or both"):
        Extra("kl")


def test_terms_are_weighted_in_the_loss_and_in_the_report():
    game = tiny_game(discriminator=Linear(1.0), discriminator_terms=[R1(weight=3.0)], discriminator_optimiser=sgd)
    game.turns = game.turns[:1]
    report = training_step(game, [{"image": IMAGES}], Progress())
    assert report["discriminator.r1"].item() == pytest.approx(3.0 * 0.5 * 16, rel=1e-5)


def test_lazy_penalties_are_of_the_match_that_is_given():
    match = Match(discriminator="other")
    (turn,) = lazy_penalties(4, r1=0.5, r2=0.25, match=match)
    assert [(term.weight, term.match) for term in turn.objective] == [(2.0, match), (1.0, match)]


def test_feature_shrinkage_draws_from_its_own_beta(monkeypatch):
    asked, term = [], FeatureShrinkage(alpha=0.4, noise_std=0.0)

    def draw(alpha, device):
        asked.append(alpha)
        return torch.tensor(1.0)

    monkeypatch.setattr("papergan.objectives.adaptive_mix.beta", draw)
    value = term(StepContext(tiny_game(), Turn("discriminator", (term,)), {"image": IMAGES}, Progress()))
    assert asked == [0.4]
    assert float(value) == pytest.approx(0.0, abs=1e-6)  # a share of 1 mixes nothing


def test_the_real_side_of_feature_matching_is_a_constant():
    critic, term = Linear(2.0), FeatureMatching()
    context = round_with(term, critic, IMAGES)
    (found,) = torch.autograd.grad(term(context), critic.slope)
    real, fake = IMAGES.flatten(1).mean(0), context.fake(Match()).detach().flatten(1).mean(0)
    assert float(found) == pytest.approx(float((-(real - fake).sign() * fake).mean()), rel=1e-4)


def test_a_gradient_penalty_is_of_constants():
    term = GradientPenalty()
    context = round_with(term, Quadratic(0.6), IMAGES)
    context.game.networks.requires_grad_(True)
    term(context).backward()
    assert all(weight.grad is None for weight in context.game.networks["generator"].parameters())
