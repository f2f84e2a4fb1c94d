"""Channel pruning: channels that do nothing go first, whatever connects the layers; what mixes channels is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.small_systems import small, spec
from papergan import systems
from papergan.compression.channel_pruning import OUTPUT_AXIS, narrowed
from papergan.errors import RecipeError
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress

WIDTH = {"dcgan": 16, "projection_gan": 16, "hybrid_fast": 16, "vanilla_gan": 16, "wgan_gp": 16, "gan": 32}


def generator_of(name, width):
    setting = "generator_width" if "generator_width" in systems.resolve(name, {}) else "width"
    game = systems.build(name, spec(name), {setting: width}, seed=3)
    sampler = Sampler(game.networks[game.showcase.source], game.networks[game.showcase.generator])
    return sampler.requires_grad_(False).eval()


def arguments(sampler, count):
    return sampler.latents(count, 0, "test", progress=Progress())


def use_batch_norm(sampler):
    """Statistics as of a trained network, so that an offset is there to get wrong."""
    sampler.estimate_batch_norm(batches=2, batch_size=16, seed=0)
    for module in sampler.generator.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.uniform_(module.bias, -0.3, 0.3)


@pytest.mark.parametrize("name", ["dcgan", "hybrid_fast", "gan"])
def test_to_the_same_width_nothing_changes(name):
    wide, same = generator_of(name, WIDTH[name]), generator_of(name, WIDTH[name])
    use_batch_norm(wide)
    kept = narrowed(wide.generator, same.generator, arguments(wide, 1))
    assert kept.keys() == wide.generator.state_dict().keys()
    assert all(torch.equal(tensor, wide.generator.state_dict()[key]) for key, tensor in kept.items())


@pytest.mark.parametrize("name", WIDTH)
def test_channels_that_do_nothing_are_those_that_go(name):
    """The second half of every layer's channels is silent: the narrower network makes the same images."""
    wide, narrow = generator_of(name, WIDTH[name]), generator_of(name, WIDTH[name] // 2)
    use_batch_norm(wide)
    small = dict(narrow.generator.named_modules())
    for path, layer in wide.generator.named_modules():
        half = getattr(small[path], "out_channels", getattr(small[path], "out_features", None))
        if type(layer) in OUTPUT_AXIS:
            axis = OUTPUT_AXIS[type(layer)]
            layer.weight.narrow(axis, half, layer.weight.shape[axis] - half).zero_()
            if layer.bias is not None:
                layer.bias[half:] = 0
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            for values in (layer.bias, layer.running_mean) if layer.affine else (layer.running_mean,):
                values[small[path].num_features :] = 0
    given = arguments(wide, 4)
    narrow.generator.load_state_dict(narrowed(wide.generator, narrow.generator, arguments(wide, 1)))
    assert torch.allclose(narrow.generator(*given), wide.generator(*given), atol=1e-5)


def test_the_largest_filters_stay_and_everything_that_reads_them_follows():
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).requires_grad_(False)
    narrow = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    wide[0].weight[[0, 2]] *= 10
    kept = narrowed(wide, narrow, (torch.randn(1, 3),))
    assert torch.equal(kept["0.weight"], wide[0].weight[[0, 2]])
    assert torch.equal(kept["0.bias"], wide[0].bias[[0, 2]])
    assert torch.equal(kept["2.weight"], wide[2].weight[:, [0, 2]])


OTHER_KINDS = {"progan": "EqualisedLinear", "biggan": "Parametrized"}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_layers_of_other_kinds_are_refused(name):
    game = systems.build(name, spec(name), small(name), seed=0)
    sampler = Sampler(game.networks[game.showcase.source], game.networks[game.showcase.generator]).eval()
    with pytest.raises(RecipeError, match=OTHER_KINDS[name]):
        narrowed(sampler.generator, sampler.generator, arguments(sampler, 1))


def test_grouped_layers_are_refused():
    network = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 1, 3))
    with pytest.raises(RecipeError, match=r"'0' is grouped"):
        narrowed(network, network, (torch.randn(1, 4, 8, 8),))


class Normalised(nn.Module):
    """Two layers between which channels are divided by their norm."""

    def __init__(self, width):
        super().__init__()
        self.first, self.last = nn.Linear(3, width), nn.Linear(width, 2)

    def forward(self, x):
        return self.last(nn.functional.normalize(self.first(x)))


def test_channels_that_are_mixed_between_layers_are_refused():
    with pytest.raises(RecipeError, match="channels cannot be pruned"):
        narrowed(Normalised(4), Normalised(2), (torch.randn(1, 3),))
