"""What is special about the systems of song2023."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, RMSprop

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.priors import Gaussian, Uniform
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.layers.drawing import Dropout
from papergan.objectives.learned_priors import CommonFeatures, GaussianMixture

SMALL = {"width": 4, "latent_dim": 6}


def build(name: str, **settings):
    return systems.build(name, ImageSpec(3, 16), SMALL | settings, seed=0)


@pytest.mark.parametrize(("name", "kind"), [("deligan", GaussianMixture), ("cft_gan", CommonFeatures)])
def test_a_prior_learns_with_the_generator_and_not_with_the_discriminator(name, kind):
    game = build(name)
    assert isinstance(game.networks["prior"], kind)
    assert "prior" in game.players["generator"].networks
    before = {key: tensor.clone() for key, tensor in game.networks["prior"].state_dict().items()}
    torch.manual_seed(0)
    training_step(game, [{"image": torch.rand(8, 3, 16, 16)}], Progress())
    assert all(not torch.equal(before[key], tensor) for key, tensor in game.networks["prior"].state_dict().items())


def test_the_regulariser_keeps_deviations_from_zero():
    """Eq. 8 of DeLiGAN by hand, and its weight."""
    game = build("deligan", components=2, regulariser=0.5)
    with torch.no_grad():
        game.networks["prior"].deviation.fill_(0.25)
    torch.manual_seed(0)
    report = training_step(game, [{"image": torch.rand(8, 3, 16, 16)}], Progress())
    assert float(report["generator.deviation_regulariser"]) == pytest.approx(0.5 * 0.75**2)
    assert not [name for name in build("deligan", regulariser=0.0).turns[-1].names if "regulariser" in name]


@pytest.mark.parametrize(("loss", "value"), [("non_saturating", 0.693147), ("minimax", -0.693147)])
def test_the_generators_loss_of_an_undecided_discriminator(loss, value):
    """-E log D = log 2, and eq. 3's E log(1 - D) = -log 2, where D is one half everywhere."""
    game = build("cft_gan", loss=loss, edge_loss="none", learning_rate=1e-9)
    nn.init.zeros_(game.networks["discriminator"].linear.weight)
    nn.init.zeros_(game.networks["discriminator"].linear.bias)
    report = training_step(game, [{"image": torch.rand(8, 3, 16, 16)}], Progress())
    assert float(report["generator.generator_loss"]) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("differences", [1, 5])
def test_the_generator_takes_n_and_fd_numbers(differences):
    game = build("cft_gan", feature_differences=differences)
    assert game.networks["prior"].map.weight.shape == (6 + differences, 6)
    assert game.networks["generator"].layers[0].weight.shape[0] == 6 + differences


def test_every_part_has_a_switch():
    bare = build("cft_gan", common_features=False, mean_rescaling="none", edge_loss="none")
    assert not list(bare.networks["prior"].parameters())
    assert bare.turns[0].names == ("discriminator.discriminator_loss",)
    assert bare.turns[1].names == ("generator.generator_loss",)
    full = build("cft_gan")
    assert full.turns[0].names == ("discriminator.discriminator_loss", "discriminator.literal_edge")
    assert full.turns[1].names == ("generator.generator_loss", "generator.literal_edge")


def test_without_its_parts_it_is_dcgan_on_gaussian_latents():
    bare = build("cft_gan", common_features=False, mean_rescaling="none", edge_loss="none", learning_rate=2e-4)
    plain = build("dcgan", prior="gaussian", learning_rate=2e-4)
    reports = []
    for game in (bare, plain):
        torch.manual_seed(1)
        reports.append(training_step(game, [{"image": torch.rand(8, 3, 16, 16)}], Progress()))
    assert {name: float(value) for name, value in reports[0].items()} == {
        name: float(value) for name, value in reports[1].items()
    }


def test_dcgan_draws_from_either_law():
    assert isinstance(build("dcgan").networks["prior"], Uniform)
    assert isinstance(build("dcgan", prior="gaussian").networks["prior"], Gaussian)


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("cft_gan", {"feature_differences": 0}, "'feature_differences'.*greater than or equal to 1"),
        ("cft_gan", {"edge_loss": "sobol"}, "'literal', 'sobel'"),
        ("deligan", {"components": 0}, "'components'"),
        ("dcgan", {"prior": "normal"}, "'uniform' or 'gaussian'"),
    ],
)
def test_what_does_not_fit_is_refused(name, settings, fault):
    with pytest.raises(RecipeError, match=fault):
        build(name, **settings)


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("sgd", SGD), ("rmsprop", RMSprop)])
def test_both_players_of_dcgan_have_the_optimiser_and_the_rate_that_were_asked_for(name, kind):
    game = build("dcgan", optimiser_name=name, learning_rate=1e-3, discriminator_learning_rate=4e-3, beta1=0.3)
    rates = {player: optimiser.param_groups[0]["lr"] for player, optimiser in game.optimisers.items()}
    assert rates == {"generator": 1e-3, "discriminator": 4e-3}
    assert {type(optimiser) for optimiser in game.optimisers.values()} == {kind}
    alike = build("dcgan", optimiser_name=name, learning_rate=3e-3).optimisers["discriminator"]
    assert alike.param_groups[0]["lr"] == 3e-3  # the generator's, where none is given
    if name == "adam":
        assert {optimiser.param_groups[0]["betas"] for optimiser in game.optimisers.values()} == {(0.3, 0.999)}


def test_what_dcgan_is_told_of_upsampling_and_dropout_is_the_generators():
    kinds = {"transposed": nn.ConvTranspose2d, "resize": nn.Upsample, "subpixel": nn.PixelShuffle}
    for name, kind in kinds.items():
        networks = build("dcgan", upsampling=name).networks
        found = [module for module in networks["generator"].modules() if isinstance(module, tuple(kinds.values()))]
        assert len(found) == 1 + 3  # a transposed convolution from the latent, then three doublings
        assert {type(module) for module in found[1:]} == {kind}
    networks = build("dcgan", dropout=0.25).networks
    assert [m.p for m in networks["generator"].modules() if isinstance(m, Dropout)] == [0.25] * 3
    assert not [m for m in networks["discriminator"].modules() if isinstance(m, Dropout)]
    assert not [m for m in build("dcgan").networks.modules() if isinstance(m, Dropout)]
