"""What the discriminator is asked about: draws of real images, since folders and files are sorted by class."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.game.discriminator_input import Labelled
from papergan.game.game import DiscriminatorOutput, Game, Match, Player, Turn
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.schedules import Progress
from papergan.game.terms import DiscriminatorLoss
from papergan.objectives.adversarial import NonSaturating
from papergan.pipelines.experiment.nodes.discriminator_metrics import (
    discriminator_is_trained,
    measure_discriminator,
)

CLASSES = tuple("abcde")
AT: dict[str, Any] = {"training_batch_size": 8, "progress": Progress()}


def sorted_by_class(name: str, of_each: int, seed: int) -> ImageSet:
    """Class k is about as bright as 50 k: an untrained critic tells classes apart, and cannot know the split."""
    labels = torch.arange(5).repeat_interleave(of_each)
    noise = torch.randint(0, 50, (len(labels), 3, 16, 16), generator=torch.Generator().manual_seed(seed))
    return ImageSet(name, (50 * labels[:, None, None, None] + noise).to(torch.uint8), labels, CLASSES)


@pytest.fixture(scope="module")
def judged():
    images = ImageSplits(sorted_by_class("toy/train", 400, 0), sorted_by_class("toy/test", 100, 1))
    game = systems.build("dcgan", ImageSpec(3, 16, 5), {"width": 4, "latent_dim": 4}, seed=0).to("cpu")

    def ask(seed: int = 0, count: int = 400):
        return measure_discriminator(game, images, count=count, seed=seed, batch_size=250, **AT)

    return ask


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_critic_knows_no_member_where_images_are_sorted_by_class(judged, seed):
    """The first 400 would be of one class among the training images, and of four among the others."""
    assert judged(seed)["membership_auc"] == pytest.approx(0.5, abs=0.08)  # four deviations of sqrt(1 / (6 * 400))


def test_the_draw_is_the_seeds(judged):
    assert judged(1) == judged(1)
    assert judged(1) != judged(2)


def test_where_all_images_are_asked_for_all_are_judged(judged):
    few, more = judged(1, 500), judged(1, 700)  # 500 are all that are held out
    assert few["membership_auc"] != more["membership_auc"]
    assert more["membership_auc"] == pytest.approx(0.5, abs=0.08)


class Knows(torch.nn.Module):
    """A discriminator that trusts an image of which the class it is told is the brightness that it sees."""

    def forward(self, images: torch.Tensor, classes: torch.Tensor) -> DiscriminatorOutput:
        seen = ((images.mean((1, 2, 3)) + 1) * 127.5 - 25) / 50
        return DiscriminatorOutput(0.5 - (seen - classes.argmax(1)).abs())


class Paints(torch.nn.Module):
    """A generator of images as bright as its class, or as the next one."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift, self.weight = shift, torch.nn.Parameter(torch.zeros(()))

    def forward(self, latent: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        level = (50 * ((classes.argmax(1) + self.shift) % 5) + 25) / 127.5 - 1
        return (level + self.weight)[:, None, None, None].expand(-1, 3, 16, 16)


@pytest.mark.parametrize(("shift", "accuracy"), [(0, 0.5), (1, 1.0)])
def test_a_discriminator_with_classes_is_told_that_of_each_image(shift, accuracy):
    images = ImageSplits(sorted_by_class("toy/train", 400, 0), sorted_by_class("toy/test", 100, 1))
    networks = torch.nn.ModuleDict(
        {"prior": WithChoice(Gaussian(2), 5), "generator": Paints(shift), "discriminator": Knows()}
    )
    moves = Player(("discriminator",), lambda _: torch.optim.SGD([torch.zeros(1)], 0.1))
    turn = Turn("discriminator", (DiscriminatorLoss(NonSaturating(), match=Match()),))
    game = Game(networks, {"discriminator": moves}, [turn], showcase=Match(discriminator_input=Labelled()))
    found = measure_discriminator(game, images, count=300, seed=0, batch_size=70, **AT)
    assert found["discriminator_accuracy_zero"] == accuracy
    assert found["membership_auc"] == pytest.approx(0.5, abs=0.08)
    assert found["discriminator_held_out_gap"] == pytest.approx(0, abs=0.01)


def test_of_pairs_of_image_and_latent_nothing_is_said():
    images = ImageSplits(sorted_by_class("toy/train", 20, 0), sorted_by_class("toy/test", 20, 1))
    game = systems.build("bigan", ImageSpec(3, 16, 5), {"width": 4, "latent_dim": 4}, seed=0)
    assert measure_discriminator(game, images, count=20, seed=0, batch_size=20, **AT) == {}


def test_of_one_that_nothing_trains_nothing_is_said():
    images = ImageSplits(sorted_by_class("toy/train", 20, 0), sorted_by_class("toy/test", 20, 1))
    spec = ImageSpec(3, 16, 5, ImageSpec(3, 8))
    small = {"width": 4, "discriminator_width": 4, "blocks": 1, "pretraining_steps": 0}
    alone, both = (systems.build("srgan", spec, {**small, "adversarial": weight}, seed=0) for weight in (0.0, 0.1))
    assert [discriminator_is_trained(game) for game in (alone, both)] == [False, True]
    assert measure_discriminator(alone, images, count=20, seed=0, batch_size=20, **AT) == {}
    assert "membership_auc" in measure_discriminator(both, images, count=20, seed=0, batch_size=20, **AT)


@pytest.mark.parametrize(("system", "overrides"), [("improved_gan", {"width": 4}), ("stylegan2", {})])
def test_one_that_compares_images_has_the_batches_of_its_training_whatever_those_of_the_evaluation(system, overrides):
    images = ImageSplits(sorted_by_class("toy/train", 40, 0), sorted_by_class("toy/test", 20, 1))
    game = systems.build(system, ImageSpec(3, 16, 5), {**small(system), **overrides}, seed=0).to("cpu")
    asked = {"count": 70, "seed": 0, "progress": Progress()}
    found = [
        measure_discriminator(game, images, batch_size=size, training_batch_size=of_training, **asked)
        for size, of_training in ((250, 16), (33, 16), (33, 64))
    ]
    assert found[0] == found[1] != found[2]
    discriminator, shown = game.networks["discriminator"].eval(), list[torch.Tensor]()
    discriminator.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    measure_discriminator(game, images, batch_size=250, training_batch_size=16, **asked)
    assert [len(batch) for batch in shown] == [16] * 4 * 3  # the last 6 of 70 are no full batch
