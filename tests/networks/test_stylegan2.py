"""Networks of StyleGAN2: shapes, styles of layers, architectures, and what each refuses."""

from __future__ import annotations

import math

import pytest
import torch

from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.game.style_generator import StyleGenerator, StyleLatents
from papergan.networks.layers.resampling import Resample
from papergan.networks.layers.styles import Mapping, Noise
from papergan.networks.style_based.stylegan2 import StyleDiscriminator, Synthesis, channels_at, sizes_of

SPEC = ImageSpec(3, 16, 4)
ARCHITECTURES = ("orig", "skip", "resnet")


def generator(mixing: float = 0.0, **more: object) -> StyleGenerator:
    torch.manual_seed(0)
    return StyleGenerator(Mapping(5, 6, 2), Synthesis(SPEC, 6, 128, 8, **more), 6, mixing=mixing, decay=0.9)


def test_feature_maps_by_size():
    assert sizes_of(ImageSpec(3, 32, 0)) == [4, 8, 16, 32]
    assert [channels_at(size, 1024, 64) for size in (4, 16, 32, 64)] == [64, 64, 32, 16]
    assert channels_at(64, 32, 8) == 1


@pytest.mark.parametrize("size", [4, 28, 48])
def test_a_size_that_is_no_power_of_two_is_refused_in_one_line(size):
    with pytest.raises(ValueError, match=f"set image_size to a power of two, at least 8, got {size}$"):
        sizes_of(ImageSpec(1, size, 0))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_generator_takes_a_style_for_every_layer(architecture):
    made = generator(architecture=architecture).eval()
    assert made.num_layers == 2 * math.log2(16) - 2
    styles = torch.randn(2, made.num_layers, 6, requires_grad=True)
    images = made.synthesise(styles)
    assert images.shape == (2, 3, 16, 16)
    (gradient,) = torch.autograd.grad(images.square().sum(), styles)
    assert bool((gradient.abs().amax(dim=(0, 2)) > 0).all())  # every layer's style matters
    torch.testing.assert_close(made.synthesise(styles[:, 0]), made.synthesise(styles[:, :1].expand(-1, 6, -1)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_discriminator_by_architecture(architecture):
    torch.manual_seed(0)
    network = StyleDiscriminator(SPEC, 128, 8, architecture=architecture, group=2)
    output = network(torch.randn(4, 3, 16, 16))
    assert output.score.shape == (4,)
    assert output.features[0].shape == (4, 8, 4, 4)
    assert len(network.from_image) == (3 if architecture == "skip" else 1)
    assert (network.blocks[0].skip is not None) == (architecture == "resnet")


def test_a_residual_block_is_the_sum_of_its_parts_at_half_the_power():
    torch.manual_seed(0)
    network = StyleDiscriminator(SPEC, 128, 8)
    block, maps = network.blocks[0], torch.randn(2, 8, 16, 16)
    torch.testing.assert_close(block(maps), block.second(block.first(maps)) + block.skip(maps))
    plain = StyleDiscriminator(SPEC, 128, 8, architecture="orig").blocks[0]
    plain.load_state_dict({name: w for name, w in block.state_dict().items() if not name.startswith("skip")})
    torch.testing.assert_close(block.second(block.first(maps)), math.sqrt(0.5) * plain(maps))
    halved = torch.nn.functional.conv2d(Resample(up=False)(maps), block.skip.conv.weight) / math.sqrt(8)
    torch.testing.assert_close(block.skip(maps), math.sqrt(0.5) * halved)


def test_classes_enter_as_an_inner_product_with_their_mapping():
    torch.manual_seed(0)
    network = StyleDiscriminator(SPEC, 128, 8, classes=4)
    images, classes = torch.randn(2, 3, 16, 16), torch.eye(4)[:2]
    kept = {}
    network.out.register_forward_hook(lambda module, given, out: kept.setdefault("out", out))
    found = network(images, classes).score
    torch.testing.assert_close(found, (kept["out"] * network.classes(None, classes)).sum(1) / math.sqrt(8))


def test_an_image_is_a_function_of_its_latent_in_evaluation_alone():
    made = generator(mixing=1.0)
    with torch.no_grad():
        for layer in made.modules():
            if isinstance(layer, Noise):
                layer.strength.fill_(1.0)
    latent = torch.randn(4, 5)
    assert not torch.equal(made(latent), made(latent))
    made.eval()
    assert torch.equal(made(latent), made(latent))
    torch.testing.assert_close(made(latent)[1:2], made(latent[1:2]), rtol=1e-4, atol=1e-5)


def test_the_mean_style_moves_in_training_alone_and_truncation_draws_to_it():
    made, latent = generator(), torch.randn(4, 5)
    made.eval()(latent)
    assert not made.mean_style.any()
    made.train()(latent)
    torch.testing.assert_close(made.mean_style, 0.1 * made.map(latent).mean(0))
    made.eval().estimate_mean(latent)
    torch.testing.assert_close(made.mean_style, made.map(latent).mean(0))
    style = made.map(latent)
    torch.testing.assert_close(made.truncate(style, 1.0), style)
    torch.testing.assert_close(made.truncate(style, 0.0), made.mean_style.expand(4, 6))
    wanted = made.synthesise(made.mean_style + 0.5 * (style - made.mean_style))
    torch.testing.assert_close(made(latent, truncation=0.5), wanted)


def test_mixing_takes_the_styles_of_another_latent_from_a_layer_on():
    made, latent = generator(mixing=1.0), torch.randn(4, 5)
    firsts = set()
    for _ in range(20):
        style, styles = made.map(latent), made.styles(latent)
        same = (styles == style[:, None]).all(2)
        first = int(same[0].sum())
        assert 1 <= first < made.num_layers
        assert torch.equal(same, (torch.arange(6) < first).expand(4, 6))  # one draw for the batch
        assert torch.equal(styles[:, first], styles[:, -1])
        firsts.add(first)
    assert len(firsts) > 2
    made.mixing = 0.5
    unmixed = [bool((made.styles(latent) == made.map(latent)[:, None]).all()) for _ in range(40)]
    assert 8 < sum(unmixed) < 32


def test_latents_are_the_same_under_any_truncation():
    prior = StyleLatents(5)
    torch.manual_seed(0)
    (plain,) = prior(3, Progress())
    torch.manual_seed(0)
    assert torch.equal(prior.truncated(3, Progress(), 0.5)[0], plain)
    assert not prior.truncates
