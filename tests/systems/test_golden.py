"""The first steps of every system come to the golden numbers; `golden/make.py` says how they are made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from golden import make
from helpers import kinds
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.networks.layers.spectral import SpectralNorm
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.gradient_penalties import R1, GradientPenalty


# Tolerances grow with every step: what is wrong shows in the first ones.
@pytest.mark.parametrize("steps", [4, pytest.param(make.STEPS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("system", make.GAMES)
def test_the_first_steps_come_to_the_golden_numbers(system, steps):
    golden = make.read(system)
    made_with = {"settings": make.small(system), "seed": make.SEED, "batch_size": make.BATCH_SIZE}
    assert {name: golden[name] for name in made_with} == made_with
    found = make.differences(golden, make.train(make.build(system), steps=steps, inputs=make.inputs_of(system)))
    assert not found, "\n".join([
        f"{len(found)} numbers differ; made with torch {golden['torch']} on {golden['cpu']}, now {torch.__version__}.",
        f"Where a change of numerics is intended: {make.COMMAND} {system}",
        *found[:10],
    ])  # fmt: skip


def test_a_missing_file_fails_with_the_command_that_makes_it():
    with pytest.raises(FileNotFoundError, match=r"make it with `PYTHONPATH=tests python -m golden\.make hybird`"):
        make.read("hybird")


def test_no_file_is_of_a_system_that_is_gone():
    assert {path.stem for path in make.FOLDER.glob("*.json")} <= set(make.GAMES)


def test_any_number_of_players_is_noted():
    pixels = kinds.images("several_players")
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    numbers = make.train(kinds.build("several_players"), steps=2, pixels=pixels, labels=labels)
    assert {"d1.discriminator_loss", "g2.feature_matching", "moved.g1", "moved.g2", "moved.average"} <= numbers.keys()
    assert numbers["d2.discriminator_loss"][1] is None  # moves in every second step


Mutation = Callable[[pytest.MonkeyPatch, Game], None]


def another_epsilon(patch: pytest.MonkeyPatch, game: Game) -> None:
    _optimisers(game, eps=1e-7)


def another_beta(patch: pytest.MonkeyPatch, game: Game) -> None:
    _optimisers(game, betas=(0.0, 0.99))


def no_half_in_r1(patch: pytest.MonkeyPatch, game: Game) -> None:
    value = R1.__call__
    patch.setattr(R1, "__call__", lambda self, round: 2 * value(self, round))


def penalty_at_real_images(patch: pytest.MonkeyPatch, game: Game) -> None:
    patch.setattr(GradientPenalty, "__call__", _slope_at_real_images)


def _slope_at_real_images(self, round):
    real = round.augmented_real(self.match).detach().requires_grad_()
    (slope,) = torch.autograd.grad(round.discriminate(self.match, real).score.sum(), real, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - self.target).square().mean()


def real_before_fake(patch: pytest.MonkeyPatch, game: Game) -> None:
    """The same formula; what is drawn for its two sides is drawn in the other order."""
    patch.setattr(Wasserstein, "discriminator", lambda self, scores: -scores.real.mean() + scores.fake.mean())


def another_slope(patch: pytest.MonkeyPatch, game: Game) -> None:
    for module in game.networks.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = 0.1 if module.negative_slope == 0.2 else 0.2


def another_epsilon_in_batch_norm(patch: pytest.MonkeyPatch, game: Game) -> None:
    for module in game.networks.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-4


def an_average_that_is_late(patch: pytest.MonkeyPatch, game: Game) -> None:
    """By one step: it begins with the second."""
    update = EMA.update
    patch.setattr(EMA, "update", lambda self, progress: update(self, progress) if progress.step else None)


def an_average_that_is_slower(patch: pytest.MonkeyPatch, game: Game) -> None:
    assert game.average is not None
    game.average.decay = 0.9995


def two_power_iterations(patch: pytest.MonkeyPatch, game: Game) -> None:
    once = SpectralNorm._iterate
    patch.setattr(SpectralNorm, "_iterate", lambda self, matrix: [once(self, matrix) for _ in range(2)])


def _optimisers(game: Game, **changes: object) -> None:
    for optimiser in game.optimisers.values():
        for group in optimiser.param_groups:
            group.update(changes)


@pytest.mark.parametrize(
    ("system", "mutation"),
    [
        ("hybrid", another_epsilon),
        ("hybrid_fast", another_epsilon),
        ("dcgan", another_beta),
        ("hybrid", no_half_in_r1),
        ("wgan_gp", penalty_at_real_images),
        ("hybrid", real_before_fake),
        ("dcgan", another_slope),
        ("dcgan", another_epsilon_in_batch_norm),
        ("hybrid", an_average_that_is_late),
        ("hybrid", an_average_that_is_slower),
        ("hybrid", two_power_iterations),
    ],
)
def test_a_change_of_numerics_is_seen(system: str, mutation: Mutation, monkeypatch):
    game = make.build(system)
    mutation(monkeypatch, game)
    steps = 2 if mutation is another_beta else 1  # Adam's first step is the same for all of them
    assert make.differences(make.read(system), make.train(game, steps=steps))


def test_the_first_step_alone_is_compared_with_the_first_step():
    assert not make.differences(make.read("hybrid"), make.train(make.build("hybrid"), steps=1))
