"""StyleGAN: R1 in every step or lazily, and its defaults."""

from __future__ import annotations

import pytest

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game


def build(size: int = 16, **overrides: object) -> Game:
    return systems.build("stylegan", ImageSpec(1, size, 0), {**small("stylegan"), **overrides}, seed=0)


def test_r1_is_in_every_step_of_the_discriminator_or_a_turn_of_its_own():
    plain, lazy, without = build(), build(r1_interval=16), build(r1=0.0)
    assert [[term.name for term in turn.objective] for turn in plain.turns] == [
        ["discriminator_loss", "r1"], ["generator_loss"],
    ]  # fmt: skip
    assert plain.turns[0].objective[1].weight == 10.0
    assert [term.weight for term in lazy.turns[1].objective] == [160.0]
    assert lazy.optimisers["discriminator"].param_groups[0]["lr"] == pytest.approx(1e-3 * 16 / 17)
    assert lazy.optimisers["generator"].param_groups[0]["lr"] == 1e-3
    assert [len(turn.objective) for turn in without.turns] == [1, 1]


def test_the_defaults_are_the_papers():
    settings = systems.resolve("stylegan", {})
    named = ("latent_dim", "mapping_layers", "style_mixing", "r1", "deviation_group", "mean_style_decay")
    assert [settings[name] for name in named] == [512, 8, 0.9, 10.0, 4, 0.995]
    assert (settings["beta1"], settings["beta2"]) == (0.0, 0.99)


def test_a_size_that_is_no_power_of_two_is_refused_in_one_line():
    with pytest.raises(RecipeError, match="set image_size to a power of two, at least 8, got 24$"):
        build(24)
