"""Fine-tuning: what a game begins with, that zeros stay zero bit for bit, and what is refused."""

from __future__ import annotations

import pytest
import torch

from helpers.small_systems import spec
from papergan import systems
from papergan.compression.fine_tuning import check_model, start_from_trained, with_fixed_zeros
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.inference.store import stored_model
from papergan.weights import Weights

IMAGES = spec("dcgan", size=16)
WIDE = {"width": 8, "discriminator_width": 4, "latent_dim": 4}


@pytest.fixture(scope="module")
def trained():
    game = systems.build("dcgan", IMAGES, WIDE, seed=3)
    game.sampler().estimate_batch_norm(batches=2, batch_size=16, seed=0)
    model = stored_model(
        game, game.sampler().state_dict(), system="dcgan", overrides=WIDE, image=IMAGES, classes=[],
        progress=Progress(5, 20, 0.5), weights="raw", about={},
    )  # fmt: skip
    return model, Weights({f"networks.{name}": t.clone() for name, t in game.networks.state_dict().items()})


def test_it_begins_with_both_networks_of_the_trained_game(trained):
    game = systems.build("dcgan", IMAGES, WIDE, seed=0)
    start_from_trained(game, *trained, 0.0)
    state = game.networks.state_dict()
    assert all(torch.equal(state[name], t) for name, t in trained[1].under("networks").items())


def test_a_narrower_generator_begins_with_channels_of_the_wide_one(trained):
    game = systems.build("dcgan", IMAGES, {**WIDE, "width": 4}, seed=0)
    start_from_trained(game, *trained, 0.0)
    narrow, wide = game.networks["generator"].state_dict(), trained[1].under("networks.generator")
    last = next(name for name in reversed(list(wide)) if name.endswith("weight") and wide[name].dim() == 4)
    rows = {tuple(row.flatten().tolist()) for row in wide[last]}
    assert all(tuple(row.flatten().tolist()) in rows for row in narrow[last])
    assert game.networks["generator"].training
    discriminator = trained[1].under("networks.discriminator")
    assert all(torch.equal(game.networks["discriminator"].state_dict()[name], t) for name, t in discriminator.items())


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_of_zero_stay_zero_to_the_bit_and_others_move(trained, channels_last):
    game = systems.build("dcgan", IMAGES, WIDE, seed=0)
    if channels_last:
        game.to("cpu")
    start_from_trained(game, *trained, 0.8)
    with_fixed_zeros(game)
    generator = game.networks["generator"]
    before = {name: p.detach().clone() for name, p in generator.named_parameters()}
    weights = [name for name, p in generator.named_parameters() if p.dim() > 1]
    share = sum(int((before[n] == 0).sum()) for n in weights) / sum(before[n].numel() for n in weights)
    assert share == pytest.approx(0.8, abs=0.01)
    for step in range(4):
        training_step(game, [IMAGES.random_batch(8)], Progress(step))
    for name, weight in generator.named_parameters():
        zeros = before[name] == 0 if weight.dim() > 1 else torch.zeros_like(weight, dtype=torch.bool)
        bits = weight.detach().contiguous().view(torch.int32)
        assert not bits[zeros.contiguous()].any()  # not even the sign
        assert not torch.equal(weight[~zeros], before[name][~zeros])


def test_another_discriminator_and_another_system_are_refused(trained):
    game = systems.build("dcgan", IMAGES, {**WIDE, "discriminator_width": 8}, seed=0)
    with pytest.raises(RecipeError, match="its discriminator is of another kind or size"):
        start_from_trained(game, *trained, 0.0)
    with pytest.raises(RecipeError, match="'dcgan', and this recipe of 'lsgan'"):
        check_model(trained[0], "lsgan")
