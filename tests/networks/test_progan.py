"""Networks that grow: blending by hand, both ends of a fade, which layers are in use, and where the level is kept."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.networks.style_based.growth import Growing, Growth, fade
from papergan.networks.style_based.progan import ProgressiveDiscriminator, ProgressiveGenerator, feature_maps

GROWTH = Growth(0, 2, stable=10, fade=20)
IMAGES = ImageSpec(2, 16)


def generator() -> ProgressiveGenerator:
    torch.manual_seed(0)
    return ProgressiveGenerator(IMAGES, 6, GROWTH, base_width=64, max_width=8)


def discriminator() -> ProgressiveDiscriminator:
    torch.manual_seed(0)
    return ProgressiveDiscriminator(IMAGES, GROWTH, base_width=64, max_width=8)


def at(network: Growing, level: float, given: torch.Tensor) -> torch.Tensor:
    network.set_level(level)
    out = network(given)
    return out if isinstance(network, ProgressiveGenerator) else out.score


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_fade_is_exactly_either_end():
    low, high = 1e6 * drawn(50, seed=2), 1e-3 * drawn(50, seed=3)
    assert torch.equal(fade(low, high, 0.0), low)
    assert torch.equal(fade(low, high, 1.0), high)
    torch.testing.assert_close(fade(low, high, 0.3), 0.7 * low + 0.3 * high)


@pytest.mark.parametrize(("level", "size"), [(0.0, 4), (1.0, 8), (2.0, 16)])
def test_images_of_every_level_have_the_full_size_in_squares(level, size):
    images = at(generator(), level, drawn(3, 6))
    assert images.shape == (3, 2, 16, 16)
    squares = images[:, :, :: 16 // size, :: 16 // size]
    assert torch.equal(interpolate(squares, scale_factor=16 // size), images)
    assert not torch.equal(images[:, :, 0, 0], images[:, :, 0, 16 // size])


@pytest.mark.parametrize("make", [generator, discriminator])
def test_a_fade_begins_at_the_level_before_and_ends_at_the_new_one(make):
    """As it begins and ends: the share of one of the two is a millionth."""
    given = drawn(3, 6) if make is generator else drawn(3, 2, 16, 16)
    for level in (1, 2):
        before, after = at(make(), level - 1, given), at(make(), level, given)
        torch.testing.assert_close(at(make(), level - 1 + 1e-6, given), before, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(at(make(), level - 1e-6, given), after, rtol=1e-4, atol=1e-4)
        assert (before - after).abs().max() > 1e-2


def test_a_generator_in_a_fade_is_the_sum_of_both():
    network, latent = generator(), drawn(3, 6)
    low, high = at(network, 1.0, latent), at(network, 2.0, latent)
    torch.testing.assert_close(at(network, 1.25, latent), 0.75 * low + 0.25 * high)


def test_a_discriminator_in_a_fade_blends_maps():
    network, images = discriminator(), drawn(3, 2, 16, 16)
    found = at(network, 1.25, images)
    new = network.blocks[1](network.from_images[2](images))
    old = network.from_images[1](avg_pool2d(images, 2))
    torch.testing.assert_close(found, network.last(network.blocks[0](0.75 * old + 0.25 * new)).squeeze(1))


def test_a_discriminator_sees_means_of_squares():
    network, images = discriminator(), drawn(3, 2, 16, 16)
    shown = interpolate(avg_pool2d(images, 4), scale_factor=4)
    torch.testing.assert_close(at(network, 0.0, images), at(network, 0.0, shown))
    assert (at(network, 2.0, images) - at(network, 2.0, shown)).abs().max() > 1e-3


def test_real_images_are_blended_by_hand():
    network = discriminator()
    images = torch.arange(16.0).view(1, 1, 4, 4).repeat(1, 2, 4, 4)  # period 4: rows 0 1 2 3, 4 5 6 7, ...
    network.set_level(2.0)
    assert torch.equal(network.blended(images), images)
    network.set_level(1.0)
    assert network.blended(images)[0, 0, :4, :4].tolist() == [[2.5, 2.5, 4.5, 4.5]] * 2 + [[10.5, 10.5, 12.5, 12.5]] * 2
    network.set_level(1.75)  # a quarter of the means, three of the pixels
    assert network.blended(images)[0, 0, 0, :2].tolist() == [0.25 * 2.5, 0.25 * 2.5 + 0.75]
    network.set_level(0.5)  # half of the means of 16, half of those of 4
    assert network.blended(images)[0, 0, 0, :3].tolist() == [5.0, 5.0, 6.0]


def test_layers_that_are_not_in_use_get_no_gradient():
    for level, ends, blocks in ((0.0, {0}, set()), (0.5, {0, 1}, {0}), (1.0, {1}, {0}), (1.5, {1, 2}, {0, 1})):
        makes, judges = generator(), discriminator()
        (at(makes, level, drawn(3, 6)).sum() + at(judges, level, drawn(3, 2, 16, 16)).sum()).backward()
        for parts, used in (
            (makes.to_images, ends), (makes.blocks, blocks), (judges.from_images, ends), (judges.blocks, blocks)
        ):  # fmt: skip
            moved = {place for place, part in enumerate(parts) if next(part.parameters()).grad is not None}
            assert moved == used


def test_the_last_layers_by_hand():
    """Pixel normalisation follows every LeakyReLU of the generator, and none of the discriminator's."""
    network, latent = generator(), drawn(3, 6)
    unit = latent / latent.square().mean(1, keepdim=True).sqrt()
    first = network.first
    x = (unit @ first.linear.weight.T * 2**0.5 / (4 * 6**0.5)).view(3, 8, 4, 4) + first.bias
    x = leaky_relu(x, 0.2)
    x = leaky_relu(first.conv(x / x.square().mean(1, keepdim=True).sqrt()), 0.2)
    images = network.to_images[0](x / x.square().mean(1, keepdim=True).sqrt())
    torch.testing.assert_close(at(network, 0.0, latent), interpolate(images, scale_factor=4), rtol=1e-4, atol=1e-5)


def test_feature_maps_are_those_of_the_authors():
    assert feature_maps(4096, 128, last=3) == [128] * 5  # CIFAR-10
    assert feature_maps(8192, 512, last=8) == [512, 512, 512, 512, 512, 256, 128, 64, 32, 16]  # CelebA-HQ
    with pytest.raises(
        ValueError, match="a base_width of 64 leaves no feature maps at the full size; take 128 or more"
    ):
        feature_maps(64, 8, last=6)


def test_every_weight_is_drawn_alike_whatever_its_layer():
    network = discriminator()
    weights = torch.cat([one.flatten() for name, one in network.named_parameters() if name.endswith("weight")])
    assert weights.std().item() == pytest.approx(1.0, rel=0.02)


def test_the_level_travels_with_weights_and_copies():
    network, latent = generator(), drawn(3, 6)
    assert network.set_progress(Progress(images=10 + 7)) == network.level == pytest.approx(0.35)
    expected = network(latent)
    loaded = generator()
    loaded.load_state_dict(network.state_dict())
    assert loaded.level == network.level
    copied = copy.deepcopy(network)
    copied.load_state_dict(generator().state_dict())  # of the copy alone
    assert (copied.level, network.level) == (0.0, loaded.level)
    assert torch.equal(loaded(latent), expected)


def test_levels_that_do_not_exist_are_refused():
    for level in (-0.1, 2.1):
        with pytest.raises(ValueError, match=r"expected a level in 0\.\.2, got"):
            generator().set_level(level)
