"""Packed discriminators: which images get a score together, on both sides, and what a gradient penalty is of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.small_systems import small, system_of
from helpers.tiny_game import real_batch, tiny_game
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.discriminator_input import Labelled, Packed, images_only, packed
from papergan.game.game import DiscriminatorOutput, Match
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.gradient_penalties import GradientPenalty

PACK = Match(discriminator_input=packed(2))


class OfPairs(nn.Module):
    """A score with a known gradient: of [B, 2, 4, 4] the sum of the first channel and twice that of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, images: torch.Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((images.sum((2, 3)) * self.weight).sum(1))


def context(**changes) -> StepContext:
    game = tiny_game(discriminator=OfPairs(), match=PACK, **changes)
    return StepContext(game, game.turns[0], real_batch(), Progress())


def test_neighbours_of_a_batch_get_one_score():
    found = context()
    images = real_batch()["image"]
    expected = [float(images[i].sum() + 2 * images[i + 1].sum()) for i in range(0, 8, 2)]
    assert found.discriminated_real(PACK).score.tolist() == pytest.approx(expected, abs=1e-5)
    fakes = found.fake(PACK)
    expected = [float(fakes[i].sum() + 2 * fakes[i + 1].sum()) for i in range(0, 8, 2)]
    assert found.discriminated_fake(PACK).score.tolist() == pytest.approx(expected, abs=1e-5)


def test_one_image_in_a_pack_is_no_pack():
    assert packed(1) is None
    labelled = Labelled()
    assert packed(1, labelled) is labelled
    assert packed(3, labelled) == Packed(3, labelled)
    assert hash(packed(3)) == hash(Packed(3, images_only))


def test_what_belongs_to_an_image_is_packed_with_it():
    class Both:
        images_per_score = 1

        def real(self, context, match):
            return torch.arange(4.0).reshape(4, 1, 1, 1), torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 0]])

        fake = real

    images, classes = Packed(2, Both()).real(None, PACK)
    assert images.flatten(1).tolist() == [[0, 1], [2, 3]]
    assert classes.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]


def test_a_penalty_is_of_the_gradient_of_a_pack():
    """The gradient is 1 in 16 pixels of the first image and 2 in those of the second: a norm of sqrt(80) everywhere."""
    found = GradientPenalty(match=PACK)(context())
    assert float(found) == pytest.approx((80**0.5 - 1) ** 2, rel=1e-5)


def test_a_game_says_what_its_batches_must_be_a_multiple_of():
    assert tiny_game().images_per_score == 1
    game = tiny_game(discriminator=OfPairs(), match=PACK)
    assert game.images_per_score == 2
    game.showcase = Match(discriminator_input=packed(3))
    assert game.images_per_score == 6
    with pytest.raises(ValueError, match="a batch of 7 images cannot be divided into packs of 2"):
        training_step(tiny_game(discriminator=OfPairs(), match=PACK), [real_batch(7)], Progress())


@pytest.mark.parametrize(
    ("system", "images"),
    [
        ("gan", ImageSpec(2, 1)), ("dcgan", ImageSpec(3, 16)), ("dcgan_labels", ImageSpec(1, 16, 3)),
        ("wgan_gp", ImageSpec(3, 16)), ("wgan_gp_conv", ImageSpec(3, 16)), ("pacgan", ImageSpec(3, 28)),
        ("pacgan_points", ImageSpec(2, 1)),
    ],
)  # fmt: skip
def test_every_system_that_packs_trains_on_packs(system, images):
    """Its discriminator's first layer takes the channels of all, and both players' weights move."""
    game = systems.build(system_of(system), images, {**small(system), "packing": 3}, seed=0)
    first = next(iter(game.networks["discriminator"].parameters()))
    assert first.shape[1] == 3 * (images.channels + images.num_classes)
    before = {name: weight.clone() for name, weight in game.networks.named_parameters()}
    batch = {"image": torch.rand(6, images.channels, images.size, images.size) * 2 - 1, "label": torch.arange(6) % 3}
    training_step(game, [batch] * game.batches_per_step, Progress())
    for player in ("generator", "discriminator"):
        assert any(
            not torch.equal(weight, before[name]) for name, weight in game.networks.named_parameters()
            if name.startswith(player)
        )  # fmt: skip


def test_a_pack_has_an_image_at_least():
    with pytest.raises(RecipeError, match="setting 'packing' of system 'dcgan'.*greater than or equal to 1"):
        systems.resolve("dcgan", {"packing": 0})
