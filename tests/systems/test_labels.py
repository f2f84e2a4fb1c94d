"""Labels as a setting: they reach both networks, are asked for where the setting says so, and change nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.small_systems import small
from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.discriminator_input import Labelled
from papergan.game.game import DiscriminatorOutput, Game, Match
from papergan.game.priors import WithChoice
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.gradient_penalties import GradientPenalty, LocalGradientPenalty

SPEC = ImageSpec(3, 16, 4)
KINDS = {"dcgan": "maps", "hinge_gan": "maps", "lsgan": "maps", "wgan_gp_conv": "maps", "wgan_gp": "projection"}


def build(name: str, images: ImageSpec = SPEC, **overrides: object) -> Game:
    return systems.build(name, images, {**small(name), **overrides}, seed=0)


def batch(count: int = 6) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"image": torch.rand(count, 3, 16, 16) * 2 - 1, "label": torch.arange(count) % 4}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, {}) for name in KINDS),
        ("dcgan", {"stages": 2, "normalisation": "layer", "upsampling": "resize", "dropout": 0.2}),
        ("dcgan", {"spectral": True, "normalisation": "none"}),
        ("wgan_gp_conv", {"spectral": True}),
        ("hinge_gan", {"spectral": False}),
    ],
)
def test_labels_matter_on_both_sides_and_both_players_move(name, more):
    game = build(name, labels=KINDS[name], **more)
    before = {name: weight.clone() for name, weight in game.networks.named_parameters()}
    training_step(game, [batch()] * game.batches_per_step, Progress())
    for player in ("generator", "discriminator"):
        moved = [not torch.equal(before[n], w) for n, w in game.networks.named_parameters() if n.startswith(player)]
        assert any(moved)
    game.networks.eval()
    latent, classes = game.networks["prior"](4, Progress())
    other, images = classes.roll(1, dims=1), batch(4)["image"]
    make, judge = game.networks["generator"], game.networks["discriminator"]
    assert not torch.equal(make(latent, classes), make(latent, other))
    assert not torch.equal(judge(images, classes).score, judge(images, other).score)
    assert torch.equal(
        game.showcase.discriminator_input.real(_context(game), game.showcase)[1].argmax(1), batch()["label"]
    )


@pytest.mark.parametrize("name", [name for name in KINDS if "packing" in systems.settings_model(name).model_fields])
def test_packs_have_the_class_of_each_of_their_images(name):
    game = build(name, labels=KINDS[name], packing=3)
    images, classes = game.showcase.discriminator_input.real(_context(game), game.showcase)
    assert (images.shape, classes.shape) == ((2, 9, 16, 16), (2, 12))
    assert torch.equal(classes.reshape(6, 4).argmax(1), batch()["label"])
    report = training_step(game, [batch()] * game.batches_per_step, Progress())
    assert all(torch.isfinite(value) for value in report.values())


@pytest.mark.parametrize("name", KINDS)
def test_labels_are_needed_where_the_setting_says_so_and_never_else(name):
    unlabelled, kind = ImageSpec(3, 16), KINDS[name]
    assert systems.is_conditional(name, {"labels": kind})
    assert not systems.is_conditional(name, {})
    assert not isinstance(build(name, unlabelled, labels="none").networks["prior"], WithChoice)
    with pytest.raises(
        RecipeError,
        match=f"^system '{name}' with labels: {kind} cannot be built for 3x16x16 images: it needs 2 classes or more, "
        r"and these have none; name a data set with labels \(.*\), or set labels: none$",
    ):
        build(name, unlabelled, labels=kind)
    with pytest.raises(RecipeError, match=f"setting 'labels' of system '{name}': .*'{kind}'"):
        systems.resolve(name, {"labels": "mops"})


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_without_labels_is_the_recipe_that_it_was(name):
    def recipe(**overrides: object) -> Recipe:
        given = {"paper": "tahvili2025", "system": name, "dataset": "cifar10", "training": {"steps": 1}}
        return Recipe.parse("r", given | {"overrides": overrides})

    assert recipe().fingerprint == recipe(labels="none").fingerprint != recipe(labels=KINDS[name]).fingerprint
    assert "labels" not in recipe().settings()


def test_the_system_that_was_a_copy_is_refused_by_its_new_name():
    with pytest.raises(
        RecipeError, match="^system 'dcgan_labels' is 'dcgan' with the overrides labels: maps and, .* 64 now$"
    ):
        systems.find("dcgan_labels")
    given = {"paper": "tahvili2025", "system": "dcgan_labels", "dataset": "cifar10", "training": {"steps": 1}}
    with pytest.raises(RecipeError, match="^r: system 'dcgan_labels' is 'dcgan' with"):
        Recipe.parse("r", given)


class Slope(nn.Module):
    """A score whose gradient is as long as the class is high: (k + 1) x_1."""

    def forward(self, images: Tensor, classes: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((classes.argmax(1) + 1) * images.flatten(1)[:, 0])


@pytest.mark.parametrize("term", [GradientPenalty, LocalGradientPenalty])
def test_penalties_hold_the_classes_of_the_real_images(term):
    game = build("wgan_gp_conv", labels="maps")
    game.networks["discriminator"] = Slope()
    length = (batch()["label"] + 1).double()
    value = term(match=Match(discriminator_input=Labelled()))(_context(game))
    assert float(value) == pytest.approx(float((length - 1).square().mean()))


@pytest.mark.parametrize("name", ["wgan_gp_conv", "wgan_gp"])
def test_what_the_critic_compares_is_of_one_class(name):
    game = build(name, labels=KINDS[name])
    context = _context(game)
    assert torch.equal(context.latent(game.showcase)[1].argmax(1)[:6], batch()["label"])


def _context(game: Game) -> StepContext:
    return StepContext(game, game.turns[0], batch(), Progress())
