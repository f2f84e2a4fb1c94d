"""What is special about the first GANs on MNIST: maxout, biases from the data, schedules, classes."""

from __future__ import annotations

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.fully_connected.maxout import Maxout
from papergan.networks.fully_connected.sigmoid import unit_vectors

IMAGES = ImageSpec(1, 6, 10)
SMALL = {"width": 8, "latent_dim": 4, "discriminator_width": 3}


def build(name: str = "maxout_gan", **settings):
    return systems.build(name, IMAGES, settings, seed=0)


def test_a_maxout_unit_is_the_largest_of_its_pieces():
    layer, x = Maxout(4, units=3, pieces=2), torch.randn(5, 4)
    first, second = layer.linear.weight.chunk(2)
    biases = layer.linear.bias.chunk(2)
    torch.testing.assert_close(layer(x), torch.maximum(x @ first.T + biases[0], x @ second.T + biases[1]))


def test_generated_images_start_with_the_mean_pixels_of_the_training_images():
    game = build(**SMALL)
    pixels = torch.randint(0, 256, (50, 1, 6, 6), dtype=torch.uint8)
    pixels[:, :, 0] = 0
    game.start_from(pixels)
    generator = game.networks["generator"]
    with torch.no_grad():
        generator.output.linear.weight.zero_()
        shown = unit_vectors(generator(torch.zeros(1, 4)))
    torch.testing.assert_close(shown[0], pixels.float().mean(0).flatten() / 255, atol=1e-6, rtol=1e-5)


def test_first_weights_and_latents_are_those_of_the_code():
    game = build(latent_dim=100)
    assert 0.049 < float(game.networks["generator"].hidden[0].weight.abs().max()) <= 0.05
    assert 0.0049 < float(game.networks["discriminator"].trunk[1].linear.weight.abs().max()) <= 0.005
    (latent,) = game.networks["prior"](1000, Progress())
    assert abs(float(latent.var()) - 1.0) < 0.02
    assert float(latent.abs().max()) <= 3**0.5


def test_rate_and_momentum_follow_steps_and_epochs():
    game = build(**SMALL)
    batch = {"image": torch.rand(6, 1, 6, 6) * 2 - 1}
    training_step(game, [batch], Progress(step=62_250, epoch=124.5))
    for optimiser in game.optimisers.values():
        (group,) = optimiser.param_groups
        assert group["lr"] == 0.1 * 1.000004**-62_250
        assert group["momentum"] == pytest.approx(0.5 + 0.2 * 124 / 249)


def test_the_class_decides_what_is_made_and_what_is_judged():
    game = build(
        "cgan", latent_dim=4, latent_width=5, class_width=6, joint_width=7, discriminator_width=3,
        discriminator_class_width=3, discriminator_joint_width=3, generator_range=1.0, discriminator_range=1.0,
    )  # fmt: skip
    game.networks.eval()
    classes = torch.eye(10)[:2]
    images = game.networks["generator"](torch.ones(2, 22), classes)
    assert not torch.allclose(images[0], images[1])
    scores = game.networks["discriminator"](images[:1].expand(2, -1, -1, -1), classes).score
    assert float(scores[0]) != float(scores[1])


@pytest.mark.parametrize(("sampled", "training"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_generators_dropout_is_drawn_with_its_latent(sampled, training):
    """The same layers written out, with masks from the latent's last numbers, or without any in evaluation mode."""
    game = build(
        "cgan", latent_dim=4, latent_width=5, class_width=6, joint_width=7, generator_range=1.0, dropout=0.25,
        sampled_dropout=sampled,
    )  # fmt: skip
    (latent, classes), generator = game.networks["prior"](3, Progress()), game.networks["generator"].train(training)
    assert latent.shape == (3, 4 + 5 + 6 + 7)
    kept = (latent[:, 4:] >= 0.25).float() / 0.75 if sampled or training else torch.ones(3, 18)
    both = torch.cat([generator.of_latent(latent[:, :4]), generator.of_class(classes)], dim=1)
    joint = generator.joint(both * kept[:, :11])
    torch.testing.assert_close(generator(latent, classes), generator.output(joint * kept[:, 11:]))


@pytest.mark.parametrize("name", ["maxout_gan", "cgan"])
def test_the_players_move_at_once_unless_told_otherwise(name):
    assert build(name).updates == "simultaneous"
    assert build(name, updates="alternating").updates == "alternating"
