"""What is special about AC-GAN: the class reaches the image, and both players minimise the loss of reading it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.game.game import Game, Match
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.networks.layers.drawing import GaussianNoise
from papergan.objectives.class_loss import FakeClassLoss, RealClassLoss
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator

SPEC, MATCH = ImageSpec(3, 16, 4), Match()


def game_of(**overrides: object) -> Game:
    return systems.build("acgan", SPEC, {**small("acgan"), **overrides}, seed=0)


def context_of(game: Game) -> StepContext:
    torch.manual_seed(0)
    batch = {"image": torch.rand(6, 3, 16, 16) * 2 - 1, "label": torch.arange(6) % 4}
    return StepContext(game, game.turns[-1], batch, Progress())


def by_hand(logits: Tensor, classes: Tensor) -> float:
    """The mean of -log softmax(l)_c."""
    shares = logits.double().exp() / logits.double().exp().sum(1, keepdim=True)
    return float(-sum(shares[row, label].log() for row, label in enumerate(classes.tolist())) / len(classes))


def test_the_class_that_is_asked_for_changes_the_image() -> None:
    game = game_of()
    game.networks.eval()
    latent, classes = game.networks["prior"](5, Progress())
    make = game.networks["generator"]
    assert not torch.equal(make(latent, classes), make(latent, classes.roll(1, dims=1)))
    shown = make(latent, classes)
    assert (shown.shape, game.showcase.discriminator_input) == ((5, 3, 16, 16), None)  # the discriminator is not told


def test_the_class_losses_are_cross_entropies_of_the_right_labels() -> None:
    context = context_of(game_of())
    real, fake = context.discriminated_real(MATCH), context.discriminated_fake(MATCH)
    asked = context.latent(MATCH)[1].argmax(1)
    assert float(RealClassLoss()(context)) == pytest.approx(by_hand(real.features[-1], torch.arange(6) % 4), rel=1e-5)
    assert float(FakeClassLoss()(context)) == pytest.approx(by_hand(fake.features[-1], asked), rel=1e-5)
    assert fake.features[-1].shape == (6, 4)
    assert fake.score.shape == (6,)


def test_both_players_minimise_the_class_loss_with_one_weight() -> None:
    discriminator, generator = game_of(class_weight=0.3).turns
    assert [(type(term), term.weight) for term in discriminator.objective[1:]] == [
        (RealClassLoss, 0.3), (FakeClassLoss, 0.3),
    ]  # fmt: skip
    assert [(type(term), term.weight) for term in generator.objective[1:]] == [(FakeClassLoss, 0.3)]


def test_the_class_loss_of_real_images_says_nothing_to_the_generator() -> None:
    game = game_of()
    weights, context = list(game.networks["generator"].requires_grad_(True).parameters()), context_of(game)
    assert not RealClassLoss()(context).requires_grad
    gradients = torch.autograd.grad(FakeClassLoss()(context), weights)
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_noise_and_dropout_are_the_discriminators_and_only_while_it_learns() -> None:
    images = torch.ones(3, 3, 16, 16)
    for only in ({"dropout": 0.0}, {"noise": 0.0}):
        judge = game_of(**only).networks["discriminator"].train()
        assert not torch.equal(judge(images).score, judge(images).score)
        assert torch.equal(judge.eval()(images).score, judge(images).score)
    noisy = GaussianNoise(0.25)(torch.ones(4, 3, 50, 50))
    assert float(noisy.std()) == pytest.approx(0.25, rel=0.05)
    assert float(noisy.mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(GaussianNoise(0.25).eval()(images), images)


def test_its_discriminator_is_measured_as_any_other() -> None:
    pixels = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8)
    images = ImageSet("noise", pixels, torch.arange(20) % 4, tuple("abcd"))
    asked = {"count": 20, "seed": 0, "batch_size": 8, "training_batch_size": 8, "progress": Progress()}
    measured = measure_discriminator(game_of(), ImageSplits(images, images), **asked)
    assert 0 <= measured["discriminator_accuracy_zero"] <= 1
    assert measured["membership_auc"] == 0.5  # both splits are the same images


def test_the_published_networks() -> None:
    game = systems.build("acgan", ImageSpec(3, 32, 10), {}, seed=0)
    weights = {
        name: [tuple(weight.shape) for weight in network.parameters() if weight.dim() > 1]
        for name, network in game.networks.items()
    }
    assert weights["generator"] == [(6144, 110), (384, 192, 5, 5), (192, 96, 5, 5), (96, 3, 5, 5)]
    maps = [3, 16, 32, 64, 128, 256, 512]
    convolutions = [(after, before, 3, 3) for before, after in pairwise(maps)]
    assert weights["discriminator"] == [*convolutions, (11, 512 * 4 * 4)]
