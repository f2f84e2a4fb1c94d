"""What is special about systems with codes and encoders: InfoGAN's information and picture, BiGAN's objectives."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Normal

from helpers.small_systems import small, system_of
from papergan import systems
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.game.game import Match
from papergan.game.priors import Gaussian, Uniform
from papergan.game.schedules import EpochDecay, Progress
from papergan.game.step_context import StepContext
from papergan.objectives.mutual_information import CategoricalInformation, ContinuousInformation, WithCodes
from papergan.pipelines.experiment.nodes.class_figures import code_rows, reconstruction_rows
from papergan.systems.bigan_mlp import LatentRegression

SPEC = ImageSpec(1, 16, 10)


def game_of(name: str, **overrides: object):
    return systems.build(system_of(name), SPEC, {**small(name), **overrides}, seed=0)


def context_of(game) -> StepContext:
    torch.manual_seed(0)
    return StepContext(game, game.turns[-1], {"image": torch.rand(6, 1, 16, 16) * 2 - 1}, Progress())


def test_codes_lie_in_one_latent_and_noise_alone_is_truncated() -> None:
    prior = WithCodes(Gaussian(5), 4, 2)
    (latents,) = prior(500, Progress())
    noise, category, codes = prior.split(latents)
    assert prior.latent_dim == latents.shape[1] == 11
    assert torch.equal(category.sum(1), torch.ones(500))
    assert set(category.argmax(1).tolist()) == {0, 1, 2, 3}
    assert codes.min() < -0.9
    assert 0.9 < codes.max() <= 1
    assert noise.abs().max() > 2
    noise, _, codes = prior.split(prior.truncated(500, Progress(), 0.3)[0])
    assert noise.abs().max() <= 0.3
    assert codes.abs().max() > 0.9


def test_the_information_is_the_bound_of_torchs_distributions() -> None:
    game = game_of("infogan")
    context = context_of(game)
    _, category, codes = game.networks["prior"].split(context.latent(Match())[0])
    read = context.discriminated_fake(Match()).features[-1]
    bound = Categorical(logits=read[:, :10]).log_prob(category.argmax(1)).mean() + math.log(10)
    assert float(CategoricalInformation()(context)) == pytest.approx(-float(bound), abs=1e-6)
    bound = (Normal(read[:, 10:], 1.0).log_prob(codes) - Normal(0.0, 1.0).log_prob(codes)).sum(1).mean()
    assert float(ContinuousInformation()(context)) == pytest.approx(-float(bound), abs=1e-5)


def test_both_players_minimise_the_information() -> None:
    game = game_of("infogan", categorical_weight=0.3, continuous_weight=0.2)
    for turn in game.turns:
        assert [term.weight for term in turn.objective[1:]] == [0.3, 0.2]


def test_a_row_of_the_picture_has_one_category_and_a_code_runs_through_its_row() -> None:
    sampler, seen = game_of("infogan").sampler(), []
    sampler.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    rows = code_rows(sampler.eval(), 0, Progress())
    assert [row.label for row in rows] == [f"category {n}" for n in range(10)] + ["continuous 1"] * 5 + (
        ["continuous 2"] * 5
    )
    assert {tuple(row.images.shape) for row in rows} == {(10, 1, 16, 16)}
    for value in range(10):
        noise, category, codes = sampler.prior.split(seen[value])
        assert set(category.argmax(1).tolist()) == {value}
        assert torch.equal(noise, seen[0][:, : noise.shape[1]])  # the same ten latents in every row
        assert torch.equal(codes, seen[0][:, -2:])
    for place, row in ((-2, seen[10]), (-1, seen[15])):
        torch.testing.assert_close(row[:, place], torch.linspace(-2, 2, 10))
        others = [at for at in range(row.shape[1]) if at != row.shape[1] + place]
        assert torch.equal(row[:, others], row[:1, others].expand(10, -1))


def test_games_without_codes_and_encoders_have_no_rows() -> None:
    assert code_rows(game_of("dcgan_labels").sampler(), 0, Progress()) == []
    pixels = torch.randint(0, 256, (25, 1, 16, 16), dtype=torch.uint8)
    images = ImageSet("noise", pixels, torch.arange(25) % 10, tuple("0123456789"))
    splits = ImageSplits(images, images)
    assert reconstruction_rows(game_of("dcgan_labels"), splits, 10) == []
    assert reconstruction_rows(game_of("infogan"), splits, 10) == []
    rows = reconstruction_rows(game_of("bigan_mlp"), splits, 10)  # two full rows of ten, and five are left over
    assert [row.label for row in rows] == ["test images", "reconstructed"] * 2
    assert torch.equal(rows[2].images, pixels[10:20])


@pytest.mark.parametrize(
    ("objective", "players", "weights"),
    [
        ("bigan", [("discriminator",), ("generator", "encoder")], [[0.5], [0.5]]),
        ("latent_regressor", [("discriminator", "encoder"), ("generator",)], [[0.5, 1.0], [1.0]]),
        ("joint_latent_regressor", [("discriminator",), ("generator", "encoder")], [[0.5], [1.0, 0.25]]),
    ],
)
def test_who_learns_what_in_each_objective(objective, players, weights) -> None:
    game = game_of("bigan_mlp", objective=objective)
    assert [player.networks for player in game.players.values()] == players
    assert [[term.weight for term in turn.objective] for turn in game.turns] == weights
    assert (game.showcase.discriminator_input is not None) == (objective == "bigan")


def test_the_regression_is_the_cross_entropy_of_scaled_latents() -> None:
    game = game_of("bigan_mlp", objective="latent_regressor")
    with torch.no_grad():
        game.networks["encoder"].last.weight.normal_()
    context = context_of(game)
    z = (context.latent(Match())[0] + 1) / 2
    read = (game.networks["encoder"](context.fake(Match())) + 1) / 2
    expected = -(z * read.log() + (1 - z) * (1 - read).log()).mean()
    assert float(LatentRegression()(context)) == pytest.approx(float(expected), rel=1e-3)


def test_the_rate_falls_to_a_hundredth_epoch_by_epoch() -> None:
    rate = EpochDecay(2e-4, 200, 200)
    assert [rate(Progress(epoch=epoch)) for epoch in (0.0, 199.9)] == [2e-4, 2e-4]
    assert rate(Progress(epoch=200.0)) == rate(Progress(epoch=200.9)) == pytest.approx(2e-4 * 0.01 ** (1 / 200))
    assert rate(Progress(epoch=299.5)) == pytest.approx(2e-5)
    assert rate(Progress(epoch=399.0)) == rate(Progress(epoch=1e4)) == pytest.approx(2e-6)


def test_weight_decay_is_added_to_gradients() -> None:
    game = game_of("bigan_mlp", weight_decay=0.125)
    assert {group["weight_decay"] for one in game.optimisers.values() for group in one.param_groups} == {0.125}
    assert isinstance(game.networks["prior"], Uniform)
