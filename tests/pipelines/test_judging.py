"""What the discriminator is asked about: draws of real images, since folders and files are sorted by class."""

from __future__ import annotations

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.game.schedules import Progress
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator

CLASSES = tuple("abcde")


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
        return measure_discriminator(game, images, count=count, seed=seed, batch_size=250, progress=Progress())

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
