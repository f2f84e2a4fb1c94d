"""ProGAN's game: what the critic is shown, its penalty and drift by hand, and a training that is stopped in a fade."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

from papergan import systems
from papergan.config.checked import Experiment
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.image_range import to_model_range
from papergan.networks.style_based.growth import Growing
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator
from papergan.pipelines.experiment.nodes.figures import animate
from papergan.pipelines.experiment.nodes.training import frames_of
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.export import export_generator
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer

TINY = {"latent_dim": 4, "base_width": 64, "max_width": 4, "stable_images": 8, "fade_images": 16}


def build(seed: int = 0, size: int = 16, **settings) -> Game:
    return systems.build("progan", ImageSpec(1, size), TINY | settings, seed=seed)


def batch(step: int, size: int = 16) -> list[dict[str, torch.Tensor]]:
    return [{"image": torch.rand(4, 1, size, size, generator=torch.Generator().manual_seed(step)) * 2 - 1}]


def steps(game: Game, first: int, last: int) -> None:
    for step in range(first, last):
        torch.manual_seed(step)
        training_step(game, batch(step), Progress(step, 4 * step, step / 10))


def networks(game: Game) -> dict[str, Growing]:
    return {"generator": game.networks["generator"], "discriminator": game.networks["discriminator"],
            "average": game.average.sampler.generator}  # fmt: skip


def levels(game: Game) -> set[float]:
    return {network.level for network in networks(game).values()} | {
        network.stored_level.item() for network in networks(game).values()
    }


def test_every_network_is_at_the_level_of_the_images_that_were_seen():
    game = build()
    assert levels(game) == {0.0}
    for step, level in enumerate([0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.25, 1.5, 1.75, 2.0, 2.0]):
        steps(game, step, step + 1)
        assert levels(game) == {level}


def test_reports_say_the_level_of_the_step_also_after_an_interruption(tmp_path):
    pixels = torch.randint(0, 256, (20, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

    def train(count: int) -> Trainer:
        source = Batches(
            pixels, torch.zeros(20, dtype=torch.int64), batch_size=4, batch_sizes={24: 2}, seed=0, device="cpu"
        )
        settings = TrainSettings(steps=count, report_every=1, evaluate_every=2)
        callbacks = Callbacks(evaluate=lambda sampler, game, progress: {})
        trainer = Trainer(build(), source, settings, CheckpointStore(tmp_path, "grown"), callbacks)
        trainer.run()
        return trainer

    train(5)
    trained = train(10)
    rows = trained.history.losses
    assert [row["images"] for row in rows] == [4, 8, 12, 16, 20, 24, 26, 28, 30, 32]
    seen = [row["images"] - (4 if row["images"] <= 24 else 2) for row in rows]
    growth = build().networks["generator"].growth
    level = [growth(Progress(images=images)) for images in seen]
    assert [row["networks.level"] for row in rows] == level
    shown = trained.sample_history.frames
    assert [frame.step for frame in shown] == [2, 4, 5, 6, 10]
    assert [frame.at["networks.level"] for frame in shown] == [level[frame.step - 1] for frame in shown]
    grids = animate(Experiment("grown", SimpleNamespace(dataset_name="d")), frames_of(trained.sample_history)).grids
    assert grids[1].caption == f"grown on d: epoch {shown[1].epoch:g}, level 0.25"


def test_a_training_that_is_stopped_in_a_fade_goes_on_bit_for_bit():
    straight = build()
    steps(straight, 0, 4)
    stopped = copy.deepcopy(straight.state_dict())
    resumed = build(seed=1)
    resumed.load_state_dict(stopped)
    assert levels(resumed) == {0.25}
    latents = torch.ones(2, 4)
    for name, network in networks(resumed).items():
        if name != "discriminator":
            assert torch.equal(network(latents), networks(straight)[name](latents))
    for game in (straight, resumed):
        steps(game, 4, 10)
    expected, found = straight.state_dict(), resumed.state_dict()
    for part in ("networks", "average"):
        assert all(torch.equal(tensor, found[part][name]) for name, tensor in expected[part].items())


def test_what_is_exported_while_it_grows_is_at_its_level_and_stays_there():
    game = build()
    steps(game, 0, 5)
    sampler = export_generator(game, Progress(5, 20), seed=0)
    expected = sampler.decode(torch.ones(1, 4))
    assert torch.equal(expected, game.average.sampler.decode(torch.ones(1, 4)))
    steps(game, 5, 13)
    assert sampler.generator.level == 0.5
    assert torch.equal(sampler.decode(torch.ones(1, 4)), expected)


def context(game: Game, images: int) -> StepContext:
    progress = Progress(1, images)
    game.set_progress(progress)
    turn = game.turns[0]
    return StepContext(game, turn, batch(0)[0], progress)


def test_the_critic_is_shown_blended_reals_and_fakes_as_they_are_made():
    game = build()
    step = context(game, 16)
    match = game.showcase
    (real,), (fake,) = step.input_real(match), step.input_fake(match)
    assert torch.equal(real, game.networks["discriminator"].blended(batch(0)[0]["image"]))
    assert torch.equal(fake, step.fake(match))


def test_penalty_and_drift_by_hand():
    game = build(penalty=10.0, target=750.0, drift=0.001)
    game.networks.requires_grad_(True)
    step, match = context(game, 16), game.showcase
    _, penalty, drift = step.turn.objective
    assert (penalty.weight, drift.weight) == (10.0 / 750.0**2, 0.001)
    (real,), (fake,) = step.input_real(match), step.input_fake(match)
    torch.manual_seed(3)
    share = torch.rand(4, 1, 1, 1)
    torch.manual_seed(3)
    mixed = (real + share * (fake.detach() - real)).requires_grad_()
    critic = game.networks["discriminator"]
    (gradient,) = torch.autograd.grad(critic(mixed).score.sum(), mixed)
    expected = 10.0 * ((gradient.square().sum((1, 2, 3)).sqrt() - 750.0) ** 2).mean() / 750.0**2
    torch.testing.assert_close(penalty.weight * penalty(step), expected)
    torch.testing.assert_close(drift.weight * drift(step), 0.001 * (critic(real).score ** 2).mean())
    assert expected.item() == pytest.approx(10.0, rel=0.05)  # slopes are small at first
    penalty(step).backward()  # the deviation over the batch is differentiated twice
    assert critic.last[1].weight.grad.abs().max() > 0


def test_the_discriminator_is_measured_in_a_fade():
    sets = [ImageSet(f"drawn/{name}", batch_of_bytes(seed), torch.zeros(6, dtype=torch.int64), ("one",))
            for seed, name in enumerate(("train", "test"))]  # fmt: skip
    game = build()
    steps(game, 0, 5)
    found = measure_discriminator(
        game, ImageSplits(*sets), count=6, seed=0, batch_size=3, training_batch_size=8, progress=Progress(5, 20)
    )
    assert {"discriminator_accuracy_zero", "membership_auc"} <= found.keys()


def test_real_images_are_judged_at_the_level_that_they_have_in_training():
    game = build()
    steps(game, 0, 2)
    discriminator = game.networks["discriminator"]
    discriminator.set_level(0.5)
    pixels = batch_of_bytes(0)
    images = ImageSet("noise", pixels, torch.zeros(6, dtype=torch.long), ("one",))
    shown = list[torch.Tensor]()
    discriminator.register_forward_pre_hook(lambda _, given: shown.append(given[0].clone()))
    asked = {"count": 6, "seed": 0, "batch_size": 6, "training_batch_size": 6, "progress": Progress(2, 8)}
    measure_discriminator(game, ImageSplits(images, images), **asked)
    expected = discriminator.blended(to_model_range(pixels))
    assert not torch.allclose(expected, to_model_range(pixels))
    for real in shown[1:]:  # the first are generated
        found = (real[:, None] - expected[None]).abs().amax((2, 3, 4)) < 1e-6
        assert found.sum(1).tolist() == [1] * 6  # in any order


def batch_of_bytes(seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (6, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_rates_by_size_change_where_the_next_size_fades_in():
    game = build(learning_rates=[1e-3, 2e-3, 3e-3])
    seen = []
    for step in range(13):
        steps(game, step, step + 1)
        seen.append({group["lr"] for one in game.optimisers.values() for group in one.param_groups})
    assert seen == [{1e-3}] * 3 + [{2e-3}] * 6 + [{3e-3}] * 4


def test_without_images_for_it_nothing_grows():
    game = build(stable_images=0, fade_images=0)
    assert levels(game) == {2.0}
    steps(game, 0, 1)
    assert levels(game) == {2.0}


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (28, {}, "4 times a power of 2, got 28"),
        (16, {"first_size": 6}, "4 times a power of 2, got 6"),
        (16, {"first_size": 32}, "first_size is 32 pixels, more than the images have; take at most 16"),
        (16, {"fade_images": -1}, "'fade_images'.*greater than or equal to 0, got -1"),
        (16, {"learning_rates": [1e-3]}, "learning rates by size: expected one for each of 3, got 1"),
        (256, {}, "a base_width of 64 leaves no feature maps at the full size; take 128 or more"),
    ],
)
def test_what_cannot_grow_is_refused_in_one_line(size, settings, message):
    with pytest.raises(RecipeError, match=message) as error:
        build(size=size, **settings)
    assert "\n" not in str(error.value)
