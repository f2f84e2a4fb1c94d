"""The projection discriminator: conditional BatchNorm, the inner product with the class, where classes come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.networks.layers.conditional_normalisation import ConditionalBatchNorm2d
from papergan.networks.residual.resnet import ResNetDiscriminator, ResNetGenerator

IMAGES = ImageSpec(channels=3, size=16, num_classes=4)
SMALL = {"generator_width": 8, "discriminator_width": 8, "latent_dim": 5}


def test_conditional_batch_norm_begins_as_batch_norm_and_then_has_a_scale_and_a_shift_per_class():
    norm, x, classes = ConditionalBatchNorm2d(3, 2), torch.randn(4, 3, 2, 2), torch.eye(2).repeat(2, 1)
    normalised = nn.BatchNorm2d(3)(x)
    torch.testing.assert_close(norm(x, classes), normalised)
    nn.init.normal_(norm.gain.weight)
    nn.init.normal_(norm.bias.weight)
    for image, condition in enumerate((0, 1, 0, 1)):
        scale, shift = 1 + norm.gain.weight[:, condition], norm.bias.weight[:, condition]
        by_hand = normalised[image] * scale[:, None, None] + shift[:, None, None]
        torch.testing.assert_close(norm(x, classes)[image], by_hand)


def test_conditional_batch_norm_keeps_small_gains_under_autocast():
    torch.manual_seed(0)
    norm, x = ConditionalBatchNorm2d(3, 2), (0.3 + 1.4 * torch.randn(64, 3, 16, 16)).bfloat16()
    nn.init.constant_(norm.gain.weight, 0.003)
    with torch.autocast("cpu", torch.bfloat16):
        after = norm(x, torch.eye(2).repeat(32, 1))
    assert after.dtype is torch.bfloat16
    plain = nn.BatchNorm2d(3)(x.float()).detach()
    assert float((after.detach().float() * plain).sum() / plain.square().sum()) == pytest.approx(1.003, abs=1e-3)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("pool", ["sum", "mean"])
def test_the_logit_is_a_linear_one_plus_the_inner_product_with_the_class(pool, spectral):
    discriminator = ResNetDiscriminator(IMAGES, 8, pool=pool, spectral=spectral, classes=4).eval()
    images = torch.randn(1, 3, 16, 16).expand(4, -1, -1, -1)
    score, (maps,) = discriminator(images, torch.eye(4))[:2]
    features = maps.sum(dim=(2, 3)) if pool == "sum" else maps.mean(dim=(2, 3))
    linear = features @ discriminator.linear.weight[0] + discriminator.linear.bias
    by_hand = linear + torch.stack([features[k] @ discriminator.embedding.weight[k] for k in range(4)])
    torch.testing.assert_close(score, by_hand)
    assert len(score.unique()) == 4


def test_the_embedding_of_classes_is_spectrally_normalised():
    discriminator = ResNetDiscriminator(IMAGES, 8, classes=4).eval()
    norm = torch.linalg.matrix_norm(discriminator.embedding.weight, ord=2)
    torch.testing.assert_close(norm, torch.ones(()), rtol=1e-3, atol=0)


def test_a_class_reaches_the_images_through_every_block():
    generator = ResNetGenerator(IMAGES, 5, 8, classes=4).eval()
    norms = [module for module in generator.modules() if isinstance(module, ConditionalBatchNorm2d)]
    assert len(norms) == 6
    latent, classes = torch.randn(1, 5).expand(4, -1), torch.eye(4)
    for norm in norms:
        nn.init.normal_(norm.bias.weight)
        images = generator(latent, classes)
        nn.init.zeros_(norm.bias.weight)
        assert len(images.flatten(1).unique(dim=0)) == 4
    assert images.shape == (4, 3, 16, 16)


def test_reals_have_their_own_classes_and_fakes_those_that_were_drawn():
    game = systems.build("projection_gan", IMAGES, SMALL, seed=0)
    batch = {"image": torch.rand(6, 3, 16, 16) * 2 - 1, "label": torch.tensor([0, 1, 2, 3, 0, 1])}
    context = StepContext(game, game.turns[0], batch, Progress())
    inputs, match = game.showcase.discriminator_input, game.showcase
    assert inputs.real(context, match)[1].argmax(1).tolist() == batch["label"].tolist()
    torch.testing.assert_close(inputs.fake(context, match)[1], context.latent(match)[1])


def test_unlabelled_images_are_refused():
    with pytest.raises(RecipeError, match=r"label"):
        systems.build("projection_gan", ImageSpec(channels=3, size=16, num_classes=0), SMALL, seed=0)
