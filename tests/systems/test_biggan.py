"""BigGAN and SAGAN: when the average begins, what is exported of it, two learning rates, networks of the logs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.layers.blocks import SelfAttention
from papergan.training.export import export_generator

IMAGES = ImageSpec(3, 16, 3)
SMALL = {"latent_dim": 8, "generator_width": 8, "discriminator_width": 8, "discriminator_steps": 1}


def trained(steps: int, **settings):
    """The game, and the generator's weights after each step."""
    game, weights = systems.build("biggan", IMAGES, {**SMALL, **settings}, seed=0), []
    for step in range(steps):
        torch.manual_seed(step)
        batch = {"image": torch.rand(4, 3, 16, 16) * 2 - 1, "label": torch.arange(4) % 3}
        training_step(game, [batch], Progress(step, 4 * step))
        weights.append([weight.detach().clone() for weight in game.networks["generator"].parameters()])
    return game, weights


def test_the_average_is_the_present_weights_until_it_begins():
    """As in the authors' code, whose steps count from 1: the decay is 0 where the number of the step is below."""
    for steps in (1, 2):
        game, weights = trained(steps, ema_start=3, ema_decay=0.9)
        assert all(map(torch.equal, game.average.sampler.generator.parameters(), weights[-1]))
    game, weights = trained(3, ema_start=3, ema_decay=0.9)
    for averaged, before, now in zip(game.average.sampler.generator.parameters(), *weights[1:], strict=True):
        torch.testing.assert_close(averaged, 0.9 * before + 0.1 * now)


def test_what_is_exported_is_the_average_and_its_own_norms():
    game, weights = trained(5, ema_start=0, ema_decay=0.7, generator_learning_rate=0.02)
    averaged = list(game.average.sampler.generator.parameters())
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(averaged, weights[-1], strict=True))
    exported = export_generator(game, Progress(5, 20), seed=0, batch_norm_batches=30, batch_size=4).generator
    assert all(map(torch.equal, exported.parameters(), averaged))
    for layer in (m for m in exported.modules() if is_parametrized(m)):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.01)


def test_biggan_takes_its_numbers_from_its_settings():
    game = systems.build("biggan", IMAGES, {**SMALL, "adam_epsilon": 1e-6, "batch_norm_epsilon": 1e-4}, seed=0)
    assert game.turns[0].repeats == 1
    assert systems.resolve("biggan", {})["discriminator_steps"] == 4
    for optimiser in game.optimisers.values():
        (group,) = optimiser.param_groups
        assert (group["lr"], group["betas"], group["eps"]) == (2e-4, (0.0, 0.999), 1e-6)
    norms = [m for m in game.networks["generator"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert [norm.eps for norm in norms] == [1e-4] * 7
    with pytest.raises(RecipeError, match="hierarchical latents need a shared embedding"):
        systems.build("biggan", IMAGES, {**SMALL, "hierarchical": True}, seed=0)
    with pytest.raises(RecipeError, match=r"'initialisation'.*'normal' or 'orthogonal'"):
        systems.build("biggan", IMAGES, {**SMALL, "initialisation": "xavier"}, seed=0)


@pytest.mark.parametrize("attention", [True, False])
def test_sagan_attends_in_both_networks_with_two_learning_rates(attention):
    game = systems.build("sagan", IMAGES, {**SMALL, "attention": attention}, seed=0)
    for name, rate in (("generator", 1e-4), ("discriminator", 4e-4)):
        (group,) = game.optimisers[name].param_groups
        assert (group["lr"], group["betas"], group["eps"]) == (rate, (0.0, 0.9), 1e-8)
        network = game.networks[name]
        assert len([m for m in network.modules() if isinstance(m, SelfAttention)]) == attention
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert all(is_parametrized(layer) for layer in layers)


def test_parameter_counts_of_sagan_are_those_of_studiogans_log(monkeypatch):
    """4 386 308 and 1 075 586: SAGAN-train-2020_09_18_23_34_49.log of PyTorch-StudioGAN, logs/CIFAR10."""
    monkeypatch.setattr("papergan.networks.layers.blocks.spectral_norm", lambda layer: layer)  # has buffers alone
    monkeypatch.setattr(nn.init, "orthogonal_", lambda weight: weight)
    game = systems.find("sagan").build(ImageSpec(3, 32, 10))
    counts = [sum(w.numel() for w in game.networks[name].parameters()) for name in ("generator", "discriminator")]
    assert counts == [4386308, 1075586]
