"""Depthwise separable convolutions: their formula, what is replaced, and that such a game trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.small_systems import small, spec
from papergan import systems
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.layers.separable import DepthwiseSeparable

SEPARABLE = {"convolution": "depthwise_separable"}


@pytest.mark.parametrize(
    "plain", [nn.Conv2d(8, 16, 3, padding=1), nn.ConvTranspose2d(8, 16, 4, stride=2, padding=1, bias=False)]
)
def test_it_is_the_convolution_whose_kernel_is_a_product(plain):
    """Each channel by itself, then a matrix over channels: the plain kernel is their product."""
    separable, x = DepthwiseSeparable(plain), torch.randn(2, 8, 6, 6)
    depthwise, pointwise = separable.depthwise.weight[:, 0], separable.pointwise.weight[:, :, 0, 0]
    kernel = torch.einsum("kc,cij->kcij", pointwise, depthwise)
    with torch.no_grad():
        plain.weight.copy_(kernel if isinstance(plain, nn.Conv2d) else kernel.transpose(0, 1))
        if plain.bias is not None:
            plain.bias.copy_(separable.pointwise.bias)
    assert torch.allclose(separable(x), plain(x), atol=1e-5)


@pytest.mark.parametrize("name", ["dcgan", "projection_gan", "hybrid_fast"])
def test_a_game_with_them_is_smaller_and_trains(name):
    images, settings = spec(name), small(name, width=16)
    plain = systems.build(name, images, settings, seed=0)
    game = systems.build(name, images, settings | SEPARABLE, seed=0)
    before, after = (sum(p.numel() for p in g.sampler(averaged=False).generator.parameters()) for g in (plain, game))
    assert after < 0.7 * before
    same = [key for key in plain.networks if not key.startswith(plain.showcase.generator)]
    assert all(
        [p.shape for p in plain.networks[key].parameters()] == [p.shape for p in game.networks[key].parameters()]
        for key in same
    )
    weight = next(p for key, p in game.networks.named_parameters() if key.endswith("depthwise.weight"))
    drawn = weight.clone()
    training_step(game, [images.random_batch(8)] * game.batches_per_step, Progress())
    assert not torch.equal(weight, drawn)
    if game.average is not None:
        assert game.average.state_dict().keys() == game.sampler(averaged=False).state_dict().keys()


def test_both_networks_may_have_them():
    game = systems.build("dcgan", spec("dcgan"), {"width": 16, "convolution": "depthwise_separable_both"}, seed=0)
    assert all(any("depthwise" in key for key in game.networks[n].state_dict()) for n in ("generator", "discriminator"))


def test_off_it_is_no_part_of_a_fingerprint():
    assert "convolution" not in systems.resolve("dcgan", {})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("gan", "depthwise_separable", "no.* plain convolutions|has none"), ("dcgan", "depthwise", "depthwise_separable")],
)
def test_what_cannot_be_is_refused(name, value, message):
    with pytest.raises(RecipeError, match=message):
        systems.build(name, spec(name), small(name) | {"convolution": value}, seed=0)
