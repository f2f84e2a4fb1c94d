"""What is special about GMMN: an autoencoder that is trained in stages, and codes that are matched."""

from __future__ import annotations

import copy

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.fully_connected.sigmoid import SigmoidEncoder, unit_vectors
from papergan.objectives.mmd import squared_discrepancy

IMAGES = ImageSpec(1, 6, 10)
CODE = {
    "widths": [12], "latent_dim": 3, "autoencoder": True, "autoencoder_widths": [9, 4], "autoencoder_steps": 3,
    "autoencoder_every": 2, "kernel_variances": [1.0],
}  # fmt: skip
STAGES = (
    (0, {"discriminator.layers.0", "generator.decoder.layers.1"}),
    (3, {"discriminator.layers.1", "generator.decoder.layers.0"}),
    (
        6,
        {
            "discriminator.layers.0",
            "discriminator.layers.1",
            "generator.decoder.layers.0",
            "generator.decoder.layers.1",
        },
    ),
    (9, {"generator.codes.0", "generator.codes.2.0"}),
)


def batch(count: int = 10) -> dict[str, torch.Tensor]:
    return {"image": torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1}


def moved(game: Game, step: int) -> set[str]:
    """The layers that a training step changes."""
    before = {name: weight.clone() for name, weight in game.networks.named_parameters()}
    training_step(game, [batch()], Progress(step))
    after = dict(game.networks.named_parameters())
    return {name.rpartition(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_the_stages_train_their_layers_and_nothing_else():
    game = systems.build("gmmn", IMAGES, CODE, seed=0)
    for first, layers in STAGES:
        for step in (first, first + 1):
            changed = {
                name.removesuffix(".linear") if name.startswith("generator.codes") else name
                for name in moved(game, step)
            }
            assert changed == layers


def test_the_autoencoder_is_exported_with_the_generator_of_codes():
    game = systems.build("gmmn", IMAGES, CODE, seed=0)
    names = set(game.sampler().state_dict())
    assert "generator.decoder.layers.1.weight" in names
    assert "generator.codes.0.weight" in names


def test_codes_of_real_images_and_generated_codes_are_compared():
    game = systems.build("gmmn", IMAGES, CODE, seed=0)
    codes, encoder = game.networks["generator"].codes, game.networks["discriminator"]
    torch.manual_seed(1)
    fake = codes(*game.networks["prior"](10, Progress()))
    expected = squared_discrepancy(encoder(batch()["image"]).score, fake, (1.0,), biased=True).sqrt()
    torch.manual_seed(1)
    report = training_step(game, [batch()], Progress(9))
    assert float(report["generator.code_discrepancy"]) == pytest.approx(float(expected), rel=1e-5)


def test_pixels_are_compared_in_the_range_of_the_paper():
    game = systems.build("gmmn", IMAGES, {"widths": [12], "latent_dim": 3}, seed=0)
    torch.manual_seed(1)
    fake = game.networks["generator"](*game.networks["prior"](10, Progress()))
    bandwidths = tuple(variance**0.5 for variance in (2, 5, 10, 20, 40, 80))
    expected = squared_discrepancy(unit_vectors(batch()["image"]), unit_vectors(fake), bandwidths, biased=True).sqrt()
    torch.manual_seed(1)
    report = training_step(game, [batch()], Progress())
    assert float(report["generator.generator_loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_the_rate_and_the_momentum_change_in_the_ten_thousandth_step_of_the_generator():
    game = systems.build("gmmn", IMAGES, CODE, seed=0)
    (group,) = game.optimisers["generator"].param_groups
    for step, expected in ((9 + 9998, (2.0, 0.9)), (9 + 9999, (0.2, 0.99))):
        training_step(game, [batch()], Progress(step))
        assert (group["lr"], group["momentum"]) == pytest.approx(expected)


def test_a_training_that_is_resumed_in_any_stage_goes_on_bit_for_bit():
    def run(game: Game, steps: range) -> Game:
        for step in steps:
            torch.manual_seed(step)
            training_step(game, [batch()], Progress(step))
        return game

    straight = run(systems.build("gmmn", IMAGES, CODE, seed=0), range(12))
    for stop in (1, 4, 7, 10):
        resumed = systems.build("gmmn", IMAGES, CODE, seed=1)
        first = run(systems.build("gmmn", IMAGES, CODE, seed=0), range(stop))
        resumed.load_state_dict(copy.deepcopy(first.state_dict()))
        run(resumed, range(stop, 12))
        for one, other in zip(straight.networks.parameters(), resumed.networks.parameters(), strict=True):
            assert torch.equal(one, other)


def test_dropout_of_an_encoder_leaves_inputs_out_and_rescales_nothing():
    encoder = SigmoidEncoder(IMAGES, [5], [0.5])
    with torch.no_grad():
        encoder.layers[0].weight.fill_(0.1)
        noisy = encoder.noisy(0, torch.ones(2000, 36)).logit()
        assert float(noisy.mean()) == pytest.approx(1.8, abs=0.03)  # of 36 tenths, each with probability 1/2
        assert float(encoder.up_to(1, torch.ones(1, 36)).logit().mean()) == pytest.approx(3.6, rel=1e-4)


def test_a_dropout_for_each_layer():
    with pytest.raises(RecipeError, match="each layer of the encoder has a dropout: 2 widths, 1 shares"):
        systems.build("gmmn", IMAGES, CODE | {"autoencoder_dropout": [0.2]}, seed=0)
