"""MoCoGAN as a game: who sees what, who learns from whom, and what it is not built for."""

from __future__ import annotations

import copy

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.batch_norm import share_batch_norm
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.clips import OneFrame

FRAMES = 5
IMAGES = ImageSpec(3 * FRAMES, 16, 4, frames=FRAMES)
SMALL = {"content_dim": 6, "motion_dim": 3, "width": 4, "discriminator_width": 4}


def build(seed: int = 0, **settings) -> Game:
    return systems.build("mocogan", IMAGES, SMALL | settings, seed=seed)


def batch(seed: int = 0, count: int = 6) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    clips = torch.rand(count, 3 * FRAMES, 16, 16, generator=draw) * 2 - 1
    return {"image": clips, "label": torch.arange(count) % 4}


def context(game: Game, turn: int = 0, count: int = 6) -> StepContext:
    return StepContext(game, game.turns[turn], batch(count=count), Progress())


def of_frames(game: Game):
    (match,) = {one.match for one in game.turns[0].objective if one.match.discriminator == "frame_discriminator"}
    return match


def places(shown: torch.Tensor, clips: torch.Tensor) -> list[int]:
    """Which frame of each clip is shown; fails where it is none of them as it is."""
    same = (torch.unflatten(clips, 1, (FRAMES, -1)) == shown[:, None]).flatten(2).all(2)
    assert torch.equal(same.sum(1), torch.ones(len(clips), dtype=torch.int64))
    return same.int().argmax(1).tolist()


def test_the_numbers_of_the_authors_code():
    defaults = systems.resolve("mocogan", {})
    assert (defaults["content_dim"], defaults["motion_dim"], defaults["categories"]) == (50, 10, 6)
    game = build()
    for optimiser in game.optimisers.values():
        (group,) = optimiser.param_groups
        assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 1e-5)
    assert game.turns[0].names == (
        "discriminator.discriminator_loss", "discriminator.discriminator_loss_frame_discriminator",
        "discriminator.categorical_information",
    )  # fmt: skip
    assert game.turns[1].names == (
        "generator.generator_loss", "generator.generator_loss_frame_discriminator", "generator.categorical_information",
    )  # fmt: skip


@pytest.mark.parametrize("labels", ["none", "category"])
def test_single_images_are_refused_in_one_line(labels):
    with pytest.raises(RecipeError, match="cannot be built for 3x16x16 images: it makes clips of 2 frames or more, and these are single images of 3 channels; name a data set of clips"):  # fmt: skip  # noqa: E501
        systems.build("mocogan", ImageSpec(3, 16, 4), SMALL | {"labels": labels}, seed=0)
    assert "needs_clips" in systems.traits("mocogan")


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="a code of 1 category says nothing; give 0 for none, or 2 or more"):
        build(categories=1)
    with pytest.raises(RecipeError, match="labels: category cannot be built .* it needs 2 classes or more"):
        systems.build("mocogan", ImageSpec(15, 16, 0, frames=5), SMALL | {"labels": "category"}, seed=0)


def test_the_frame_discriminator_sees_one_frame_of_each_clip():
    game, seen = build(), []
    game.networks["frame_discriminator"].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    step, match = context(game, count=64), of_frames(game)
    torch.manual_seed(0)
    _ = step.scores(match).real, step.scores(match).fake, step.scores(match).real
    real, fake = seen
    drawn = places(real, step.real(match)), places(fake, step.fake(match))
    assert set(drawn[0]) == set(drawn[1]) == set(range(FRAMES))
    assert drawn[0] != drawn[1]  # independently of each other


def test_frames_are_drawn_anew_in_every_step_as_a_function_of_its_seed():
    game, match, drawn = build(), of_frames(build()), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        step = context(game, count=64)
        drawn.append(places(OneFrame(FRAMES).real(step, match)[0], step.real(match)))
        assert torch.equal(OneFrame(FRAMES).real(step, match)[0], OneFrame(FRAMES).real(step, match)[0])
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("labels", ["none", "category"])
def test_gradients_reach_every_weight_of_both_discriminators_and_of_the_generator(labels):
    game = build(labels=labels)
    for turn, networks in ((0, ("discriminator", "frame_discriminator")), (1, ("generator",))):
        step = context(game, turn)
        with game.learning(game.turns[turn].player):
            torch.stack([term(step) for term in game.turns[turn].objective]).sum().backward()
        for network in networks:
            for name, weight in game.networks[network].named_parameters():
                assert weight.grad is not None, name
                assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("without", [0, 1])
def test_the_generator_learns_from_each_discriminator_alone(without):
    game = build(categories=0)
    step = context(game, 1)
    with game.learning("generator"):
        game.turns[1].objective[1 - without](step).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in game.networks["generator"].parameters())


def test_the_last_frames_noise_has_a_gradient_through_both():
    game = build(categories=0)
    for match in (game.showcase, of_frames(game)):
        torch.manual_seed(0)
        latent = game.networks["prior"](64, Progress())[0].requires_grad_()
        step = context(game, 1, count=64)
        step._memo[("latent", "prior")] = (latent,)
        (gradient,) = torch.autograd.grad(step.scores(match).fake.sum(), latent)
        noise = game.networks["generator"].layout.split(gradient).motion
        assert (noise.abs().sum((0, 2)) > 0).all()


@pytest.mark.parametrize("settings", [{}, {"labels": "category"}, {"categories": 0}, {"noise": 0.0}])
def test_a_step_after_resuming_is_the_same_bits(settings):
    def step(game: Game, number: int) -> None:
        torch.manual_seed(number)
        training_step(game, [batch(number)], Progress(number))

    game = build(**settings)
    step(game, 0)
    kept = copy.deepcopy(game.state_dict())
    step(game, 1)
    resumed = build(seed=1, **settings)
    resumed.load_state_dict(kept)
    step(resumed, 1)
    expected = game.networks.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.networks.state_dict().items())


def test_the_category_is_information_and_labels_are_classes():
    game = build(labels="category")
    assert {name.split(".")[1] for turn in game.turns for name in turn.names} >= {"real_class_loss", "fake_class_loss"}
    sampler = game.sampler()
    choices = torch.tensor([3, 1])
    samples = torch.cat(list(sampler.stream(4, seed=0, choices=choices)))
    other = torch.cat(list(sampler.stream(4, seed=0, choices=choices.flip(0))))
    assert samples.shape == (4, 3 * FRAMES, 16, 16)
    assert not torch.equal(samples, other)
    assert build(categories=0).turns[0].names == (
        "discriminator.discriminator_loss", "discriminator.discriminator_loss_frame_discriminator",
    )  # fmt: skip


def test_it_moves_to_a_device_with_its_three_dimensional_layers():
    game = build()
    before = {name: value.clone() for name, value in game.networks.state_dict().items()}
    game.to("cpu")
    after = game.networks.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    weight = game.networks["generator"].layers[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert any(one is weight for one in game.optimisers["generator"].param_groups[0]["params"])
    training_step(game, [batch()], Progress())


def test_batch_norm_of_clips_can_be_shared():
    game = build()
    share_batch_norm(game.networks)
    kinds = {type(one).__name__ for one in game.networks.modules() if "OverRanks" in type(one).__name__}
    assert kinds == {"_OverRanks2d", "_OverRanks3d"}
