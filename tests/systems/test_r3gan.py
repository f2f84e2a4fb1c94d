"""R3GAN: paired differences, classes of the reals for the fakes, schedules over images, networks at initialisation."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, softplus

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.schedules import CosineDecay, HalfLife, Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import set_learning_rate, set_numbers, training_step
from papergan.networks.layers.convolution import TwiceDifferentiableConv2d
from papergan.networks.residual.resnext import Block, Resample, ResNeXtDiscriminator, ResNeXtGenerator
from papergan.objectives.adversarial import RelativisticPairing

IMAGES = ImageSpec(channels=3, size=8, num_classes=4)
SMALL = {"width": 16, "blocks": 1, "latent_dim": 5}


def batch(count=6):
    draw = torch.Generator().manual_seed(0)
    return {
        "image": torch.rand(count, 3, 8, 8, generator=draw) * 2 - 1,
        "label": torch.randint(4, (count,), generator=draw),
    }


def test_the_loss_is_of_paired_differences():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    scores = SimpleNamespace(real=real, fake=fake)
    expected = [math.log1p(math.exp(-0.5)), math.log1p(math.exp(5.0))]
    torch.testing.assert_close(RelativisticPairing().discriminator(scores), torch.tensor(sum(expected) / 2))
    torch.testing.assert_close(RelativisticPairing().generator(scores), softplus(real - fake).mean())


def test_fakes_have_the_classes_of_the_reals_that_they_are_paired_with():
    game, real = systems.build("r3gan", IMAGES, SMALL, seed=0), batch()
    for turn in game.turns:
        context = StepContext(game, turn, real, Progress(0, 0))
        classes = context.latent(game.showcase)[1]
        assert classes.argmax(dim=1).tolist() == real["label"].tolist()


def test_a_class_reaches_images_and_logits():
    generator = ResNeXtGenerator(IMAGES, 5, 16, 1, classes=4)
    discriminator = ResNeXtDiscriminator(IMAGES, 16, 1, classes=4)
    latent, classes = torch.randn(1, 5).expand(4, -1), torch.eye(4)
    images = generator(latent, classes)
    assert images.shape == (4, 3, 8, 8)
    assert len(images.flatten(1).unique(dim=0)) == 4
    score, (maps,) = discriminator(images[:1].expand(4, -1, -1, -1), classes)[:2]
    features = discriminator.linear(discriminator.basis(maps).flatten(1))
    by_hand = (features * discriminator.embedding.weight.T).sum(dim=1)
    torch.testing.assert_close(score, by_hand)


def test_a_block_is_the_identity_at_initialisation_and_resampling_interpolates():
    maps = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(Block(16, 4)(maps), maps)
    larger = Resample(up=True)(maps)
    expected = interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(larger[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    smaller = Resample(up=False)(torch.ones(1, 16, 8, 8))
    torch.testing.assert_close(smaller[..., 1:-1, 1:-1], torch.ones(1, 16, 2, 2))


def test_stages_may_have_widths_of_their_own():
    generator = ResNeXtGenerator(IMAGES, 5, [24, 16], 1, classes=4)
    discriminator = ResNeXtDiscriminator(IMAGES, [24, 16], 1, classes=4)
    (change,), (back,) = ([layer for layer in network.stages if isinstance(layer, nn.Conv2d)]
                          for network in (generator, discriminator))  # fmt: skip
    assert (change.weight.shape, back.weight.shape) == ((16, 24, 1, 1), (24, 16, 1, 1))
    assert [type(layer) for layer in generator.stages] == [Block, nn.Conv2d, Resample, Block]
    assert [type(layer) for layer in discriminator.stages] == [Block, Resample, TwiceDifferentiableConv2d, Block]
    images = generator(torch.randn(3, 5), torch.eye(4)[:3])
    assert images.shape == (3, 3, 8, 8)
    assert discriminator(images, torch.eye(4)[:3]).score.shape == (3,)
    assert discriminator.linear.weight.shape == (24, 24)


def test_a_width_for_all_stages_is_the_same_as_a_list_of_it():
    one, listed = (systems.build("r3gan", IMAGES, {**SMALL, **widths}, seed=0)
                   for widths in ({"width": 16}, {"width": 24, "stage_widths": [16, 16]}))  # fmt: skip
    for name, value in one.networks.state_dict().items():
        torch.testing.assert_close(listed.networks.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("widths", "said"),
    [
        ([16, 16, 16], "stage_widths has 3 numbers, where images of 8 pixels have 2 stages"),
        ([16, 12], "setting 'stage_widths.1' of system 'r3gan': Input should be a multiple of 8, got 12"),
    ],
)
def test_widths_that_fit_no_stages_are_refused(widths, said):
    with pytest.raises(RecipeError, match=said):
        systems.build("r3gan", IMAGES, {**SMALL, "stage_widths": widths}, seed=0)


def test_what_is_exported_and_compressed_has_convolutions_of_torch():
    networks = systems.build("r3gan", IMAGES, SMALL, seed=0).networks
    kinds = {name: {type(one) for one in networks[name].stages.modules() if isinstance(one, nn.Conv2d)}
             for name in ("generator", "discriminator")}  # fmt: skip
    assert kinds == {"generator": {nn.Conv2d}, "discriminator": {TwiceDifferentiableConv2d}}


def test_every_number_follows_half_a_cosine_over_images():
    game = systems.build("r3gan", IMAGES, {**SMALL, "decay_images": 1000.0}, seed=0)
    halfway, end = Progress(10, 500), Progress(40, 2000)
    for progress, rate, beta2 in ((Progress(0, 0), 2e-4, 0.9), (halfway, 1.25e-4, 0.945), (end, 5e-5, 0.99)):
        set_learning_rate(game, "generator", progress)
        set_numbers(game, "generator", progress)
        (group,) = game.optimisers["generator"].param_groups
        assert group["lr"] == pytest.approx(rate)
        assert group["betas"] == pytest.approx((0.0, beta2))
    gammas = [term.weight(halfway) for term in game.turns[0].objective[1:]]
    assert gammas == pytest.approx([0.0275, 0.0275])
    assert CosineDecay(0.0, 0.55, 1000.0)(Progress(1, 250)) == pytest.approx(0.55 * (1 - math.cos(math.pi / 4)) / 2)
    decay = HalfLife(CosineDecay(0.0, 100.0, 1000.0))
    assert decay(Progress(10, 500)) == pytest.approx(0.5 ** (50 / 50))
    training_step(game, [batch()], halfway)
    assert float(game.controllers["augmentation"].p) == pytest.approx(0.275)


def test_images_that_are_no_doublings_of_four_pixels_are_refused():
    with pytest.raises(RecipeError, match="4 times a power of two, got 28"):
        systems.build("r3gan", ImageSpec(channels=1, size=28, num_classes=10), SMALL, seed=0)
