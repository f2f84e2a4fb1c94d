"""StyleGAN2: the schedule of its lazy turns, the corrected optimisers, and settings that switch parts off."""

from __future__ import annotations

import pytest
import torch

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import active_turns
from papergan.training.export import export_generator

SPEC = ImageSpec(1, 16, 4)


def build(images: ImageSpec = SPEC, **overrides: object) -> Game:
    return systems.build("stylegan2", images, {**small("stylegan2"), **overrides}, seed=0)


def test_penalties_are_taken_every_16th_and_every_4th_step_times_as_much():
    game = build(r1=0.5)
    names = [
        [term.name for turn in active_turns(game, Progress(step)) for term in turn.objective] for step in range(17)
    ]
    usual = {"discriminator_loss", "generator_loss"}
    assert [set(found) - usual for found in names] == [
        {"r1", "path_length"} if step % 16 == 0 else {"path_length"} if step % 4 == 0 else set() for step in range(17)
    ]
    weights = {term.name: term.weight for turn in game.turns for term in turn.objective}
    assert (weights["r1"], weights["path_length"]) == (8.0, 8.0)


def test_optimisers_are_corrected_for_the_steps_that_lazy_turns_add():
    game = build(learning_rate=0.0025)
    for name, share in (("generator", 4 / 5), ("discriminator", 16 / 17)):
        group = game.optimisers[name].param_groups[0]
        assert group["lr"] == pytest.approx(0.0025 * share)
        assert group["betas"] == pytest.approx((0.0, 0.99**share))


def test_the_defaults_are_the_configuration_for_cifar():
    game = systems.build("stylegan2", ImageSpec(3, 32, 10), {}, seed=0)
    assert len(game.turns) == 3  # R1 is the only penalty
    assert game.controllers == {}
    assert game.networks["generator"].mixing == 0.0
    generator = game.networks["generator"]
    assert len(generator.mapping.layers) == 2
    assert generator.synthesis.constant.shape == (1, 512, 4, 4)
    counts = {name: sum(w.numel() for w in game.networks[name].parameters()) for name in ("generator", "discriminator")}
    assert counts["generator"] == mapping_weights(512) + synthesis_weights(512, 3)
    assert game.networks["discriminator"].deviation.group == 32
    assert game.optimisers["generator"].param_groups[0]["lr"] == pytest.approx(0.002)  # also without path lengths


def mapping_weights(dim: int) -> int:
    return 2 * (dim * dim + dim)


def synthesis_weights(width: int, channels: int) -> int:
    """Seven convolutions, each with a style, a bias and a strength; pixels of four sizes; the constant of 4x4."""
    style = width * width + width
    return 7 * (9 * width * width + style + width + 1) + 4 * (width * channels + style + channels) + 16 * width


def test_parts_can_be_switched_off():
    game = build(r1=0.0, path_length=0.0, half_life=0.0, style_mixing=0.0)
    assert [turn.player for turn in game.turns] == ["discriminator", "generator"]
    assert game.average is None


def test_the_exported_average_has_the_mean_of_its_own_styles():
    game = build()
    exported = export_generator(game, Progress(), seed=0).generator
    (latents,) = export_generator(game, Progress(), seed=0).latents(10_000, 0, "mean style", progress=Progress())
    torch.testing.assert_close(exported.mean_style, exported.map(latents).mean(0))
    assert not game.average.sampler.generator.mean_style.any()  # the game is left as it is


@pytest.mark.parametrize(
    ("images", "overrides", "said"),
    [
        (ImageSpec(1, 28, 10), {}, "set image_size to a power of two, at least 8, got 28$"),
        (ImageSpec(1, 16, 0), {"labels": "projection"}, "it needs 2 classes or more, and these have none"),
        (SPEC, {"style_mixing": 1.5}, "setting 'style_mixing' of system 'stylegan2'"),
        (SPEC, {"generator_architecture": "residual"}, "setting 'generator_architecture' of system 'stylegan2'"),
        (SPEC, {"path_lenght": 1.0}, "has no setting 'path_lenght'.*path_length"),
    ],
)
def test_bad_settings_are_refused_in_one_line(images, overrides, said):
    with pytest.raises(RecipeError, match=said) as refused:
        build(images, **overrides)
    assert "\n" not in str(refused.value)
