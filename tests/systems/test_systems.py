"""Every system in the folder: it builds, moves all its players, samples, resumes, and says what it is."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from helpers.small_systems import small, spec, system_of, with_input
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.style_generator import StyleGenerator
from papergan.game.training_step import training_step
from papergan.networks.mixing import MixingDiscriminator
from papergan.objectives.mutual_information import WithCodes

ALL = systems.names()


def build(name: str, seed: int = 0, size: int = 32, **overrides):
    return systems.build(name, spec(name, size=size), small(name) | overrides, seed=seed)


def steps(game, name: str, first: int, last: int, size: int = 32) -> dict[str, torch.Tensor]:
    for step in range(first, last):
        torch.manual_seed(step)
        real = [
            with_input({"image": torch.rand(6, 3, size, size) * 2 - 1, "label": torch.arange(6)}, spec(name, size=size))
            for _ in range(game.batches_per_step)
        ]
        report = training_step(game, real, Progress(step, 6 * step, step / 10))
    return report


@pytest.mark.parametrize("name", ALL)
def test_it_says_what_it_is(name):
    module = systems.find(name)
    assert len(module.__doc__.splitlines()) >= 4
    assert "Deviations" in module.__doc__ or "choice" in module.__doc__
    build = inspect.signature(module.build)
    assert all(p.default is not p.empty for p in list(build.parameters.values())[1:])


@dataclass(frozen=True)
class Played:
    """A game on small images after two steps, its states by step, and after one more; the second step's report."""

    game: Game
    report: dict[str, torch.Tensor]
    states: tuple[dict[str, Any], ...]


@pytest.fixture(scope="module")
def played(name) -> Played:
    game = build(name, size=16)
    begin = copy.deepcopy(game.state_dict())
    report = steps(game, name, 0, 2, size=16)
    states = begin, copy.deepcopy(game.state_dict())
    steps(game, name, 2, 3, size=16)
    return Played(game, report, (*states, game.state_dict()))


@pytest.mark.parametrize("name", ALL, scope="module")
def test_every_player_moves_and_every_report_is_finite(played, name):
    assert all(torch.isfinite(value) for value in played.report.values())
    assert all(value.dtype == torch.float32 for value in played.report.values())
    before, after, _ = (state["networks"] for state in played.states)
    for player in played.game.players.values():
        for network in player.networks:
            weights = [f"{network}.{one}" for one, _ in played.game.networks[network].named_parameters()]
            assert not weights or any(not torch.equal(before[n], after[n]) for n in weights), network


@pytest.mark.parametrize("name", ALL, scope="module")
def test_a_resumed_game_is_the_game_that_never_stopped(played, name):
    _, stopped, expected = played.states
    resumed = build(name, seed=1, size=16)
    resumed.load_state_dict(copy.deepcopy(stopped))
    steps(resumed, name, 2, 3, size=16)
    state = resumed.state_dict()
    assert all(torch.equal(tensor, state["average"][key]) for key, tensor in expected["average"].items())
    for key, tensor in expected["networks"].items():
        assert torch.equal(tensor, resumed.networks.state_dict()[key]), key


@pytest.mark.parametrize("name", ALL)
def test_it_samples_images(name):
    samples = next(build(name).sampler().stream(5, seed=0))
    assert samples.shape == (5, 3, 32, 32)
    assert torch.isfinite(samples).all()
    if "unbounded_output" not in systems.traits(name):
        assert samples.abs().max() <= 1


@pytest.mark.parametrize("name", ALL)
def test_how_many_are_made_at_once_does_not_show_in_a_sample(name, monkeypatch):
    game = build(name)
    (all_at_once,) = game.sampler().stream(12, seed=0)
    monkeypatch.setattr("papergan.game.sampler.ON_A_CPU", 5)
    (few_at_once,) = game.sampler().stream(12, seed=0)
    bounded = "unbounded_output" not in systems.traits(system_of(name))
    most = 2e-6 if bounded else 1e-5 * float(all_at_once.abs().max())
    torch.testing.assert_close(few_at_once, all_at_once, rtol=0, atol=most)


@pytest.mark.parametrize("name", ALL)
def test_weights_are_a_function_of_the_seed(name):
    torch.manual_seed(1)
    ambient = torch.get_rng_state()
    first, again, other = (build(name, seed=seed).networks.state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), ambient)
    assert all(torch.equal(a, b) for a, b in zip(first.values(), again.values(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.values(), other.values(), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_grey_images_and_another_size(name):
    images = spec(name, channels=1, size=16)
    game = systems.build(name, images, small(name), seed=0)
    batch = with_input({"image": torch.zeros(4, images.channels, 16, 16), "label": torch.arange(4)}, images)
    training_step(game, [batch] * game.batches_per_step, Progress())
    assert next(game.sampler().stream(2, seed=0)).shape == (2, images.channels, 16, 16)


@pytest.mark.parametrize("name", ALL)
def test_images_without_classes_are_refused_where_the_system_says_so(name):
    if "needs_labels" in systems.traits(name):
        with pytest.raises(RecipeError, match=f"'{name}' cannot be built for 3x32x32 images: .*labels"):
            systems.build(name, spec(name, classes=0), small(name), seed=0)
    else:
        assert (
            next(systems.build(name, spec(name, classes=0), small(name), seed=0).sampler().stream(2, seed=0)).ndim == 4
        )


@pytest.mark.parametrize("name", ALL)
def test_traits_say_what_there_are_pictures_of(name):
    game, traits = build(name), systems.traits(name)
    assert isinstance(game.sampler().generator, StyleGenerator) == ("styles" in traits)
    assert (isinstance(game.sampler().prior, WithCodes) or game.encoder is not None) == ("codes" in traits)


def test_an_unknown_trait_is_refused(monkeypatch):
    monkeypatch.setattr(systems.find("dcgan"), "TRAITS", frozenset({"not_recordable", "draws"}), raising=False)
    with pytest.raises(
        ValueError, match="TRAITS of system 'dcgan' has 'draws'; known: codes, needs_clips, needs_labels"
    ):
        systems.traits("dcgan")
    monkeypatch.setattr(systems.find("dcgan"), "TRAITS", frozenset({"not_recordable"}))
    assert systems.traits("dcgan") == {"not_recordable"}


def terms(game) -> set[str]:
    return {name for turn in game.turns for name in turn.names}


FULL = {
    "discriminator.discriminator_loss",
    "discriminator.gradient_penalty",
    "discriminator.feature_shrinkage",
    "discriminator.r1",
    "generator.generator_loss",
    "generator.feature_matching",
}


def test_the_hybrid_has_every_component_of_tahvili2025():
    game = build("hybrid")
    assert terms(game) == FULL
    names = {type(module).__name__ for module in game.networks.modules()}
    assert {"SelfAttention", "SpectralNorm", "BatchNorm2d"} <= names
    assert game.average is not None
    assert [step.__name__ for step in game.augment.steps] == ["rotation", "color", "translation"]


@pytest.mark.parametrize(
    ("override", "gone"),
    [
        ({"gradient_penalty": 0.0}, "discriminator.gradient_penalty"),
        ({"r1": 0.0}, "discriminator.r1"),
        ({"feature_matching": 0.0}, "generator.feature_matching"),
        ({"adaptive_mix": "none"}, "discriminator.feature_shrinkage"),
        ({"adaptive_mix_weight": 0.0}, "discriminator.feature_shrinkage"),
    ],
)
def test_every_term_of_the_hybrid_can_be_switched_off(override, gone):
    assert terms(build("hybrid", **override)) == FULL - {gone}


def test_the_official_mixing_can_be_switched_off_by_its_weight_too():
    game = build("hybrid", adaptive_mix="official", adaptive_mix_weight=0.0)
    assert terms(game) == FULL - {"discriminator.feature_shrinkage"}
    assert not [module for module in game.networks.modules() if isinstance(module, MixingDiscriminator)]


def test_the_rest_of_the_hybrid_can_be_switched_off():
    game = build("hybrid", self_attention=False, spectral_norm=False, ema_decay=0.0, augmentation="none")
    names = {type(module).__name__ for module in game.networks.modules()}
    assert not {"SelfAttention", "SpectralNorm"} & names
    assert game.average is None
    assert game.augment is None
    steps(game, "hybrid", 0, 1)


@pytest.mark.parametrize("loss", ["wasserstein", "minimax", "non_saturating", "hinge"])
def test_the_hybrids_contradicting_losses_all_run(loss):
    assert all(
        torch.isfinite(v) for v in steps(build("hybrid", loss=loss, gradient_penalty=0.0), "hybrid", 0, 1).values()
    )


def test_the_official_adaptive_mix_is_in_all_three_places():
    game = build("hybrid", adaptive_mix="official")
    assert {"discriminator.mixing", "generator.mixing"} <= terms(game)
    assert "discriminator.feature_shrinkage" not in terms(game)
    steps(game, "hybrid", 0, 2)


def test_r1_is_lazy_and_its_weight_is_made_up_for():
    game = build("hybrid", r1=0.1, r1_interval=16)
    (lazy,) = [turn for turn in game.turns if turn.differentiated]
    assert [lazy.when(Progress(step)) for step in (0, 1, 15, 16)] == [True, False, False, True]
    assert lazy.objective[0].weight == pytest.approx(1.6)


def test_unknown_names_and_wrong_settings_are_refused_with_close_matches():
    with pytest.raises(RecipeError, match="did you mean 'wgan_gp'"):
        systems.find("wgan_pg")
    with pytest.raises(RecipeError, match="unknown system 'os.path'"):
        systems.find("os.path")
    with pytest.raises(RecipeError, match="'r1'.*got 'much'.*no setting 'widht'; did you mean 'width'"):
        systems.resolve("hybrid", {"r1": "much", "widht": 3})
    with pytest.raises(RecipeError, match="multiple of 8"):
        systems.build("hybrid", ImageSpec(3, 20), {}, seed=0)
    with pytest.raises(RecipeError, match="unknown augmentation 'rotatoin'"):
        systems.build("hybrid", ImageSpec(3, 32), {"augmentation": "rotatoin"}, seed=0)


def test_super_resolution_needs_smaller_inputs():
    with pytest.raises(RecipeError, match="2, 4 or 8 times that of the inputs, 16, got 16"):
        systems.build("srgan", ImageSpec(3, 16, 0, ImageSpec(3, 16)), small("srgan"), seed=0)
