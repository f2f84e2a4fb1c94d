"""BEGAN's balance, its learning rate and its constraint, by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from helpers.tiny_game import TinyGenerator, real_batch, sgd
from papergan.game.game import DiscriminatorOutput
from papergan.game.nan_guard import check_finite
from papergan.game.priors import Gaussian
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.game.two_player import two_player
from papergan.objectives.began import Equilibrium, HalvingWhenStalled, Reconstruction
from papergan.objectives.latent_constraint import LatentConstraint


class SampleFeatures:
    """A round in which the errors of reconstruction are given."""

    def __init__(self, real: list[float], fake: list[float]) -> None:
        self._real, self._fake = (DiscriminatorOutput(-torch.tensor(errors)) for errors in (real, fake))

    def discriminated_real(self, match):
        return self._real

    def discriminated_fake(self, match):
        return self._fake


def moves(balance: Equilibrium, real: list[float], fake: list[float], new_fake: list[float]) -> None:
    balance.observe("discriminator", SampleFeatures(real, fake))
    balance.observe("generator", SampleFeatures([9.0], new_fake))


def test_k_and_m_over_three_iterations_by_hand():
    balance = Equilibrium(gamma=0.5, gain=0.1)
    moves(balance, [0.4, 0.8], [7.0], [0.1])  # L(x) = 0.6, L(G) = 0.1: balance 0.2
    assert float(balance.k) == pytest.approx(0.02)
    assert float(balance.measure) == pytest.approx(0.8)
    moves(balance, [0.2], [7.0], [0.2, 0.3])  # balance 0.1 - 0.25
    assert float(balance.k) == pytest.approx(0.005)
    assert float(balance.measure) == pytest.approx(0.35)
    moves(balance, [0.2], [7.0], [0.3])  # would be negative
    assert float(balance.k) == 0
    assert balance.report()["k"].dtype == torch.float32


@pytest.mark.parametrize(
    ("real", "fake", "logged"), [(0.2050, 0.1152, 0.2177), (0.0862, 0.0442, 0.0873), (0.0799, 0.0359, 0.0839)]
)
def test_m_agrees_with_the_training_log_of_zaika2025(real, fake, logged):
    balance = Equilibrium(gamma=0.5)
    moves(balance, [real], [9.0], [fake])
    assert float(balance.measure) == pytest.approx(logged, abs=1.5e-4)


def test_k_does_not_pass_one():
    balance = Equilibrium(gamma=1.0, gain=10.0)
    moves(balance, [1.0], [0.0], [0.0])
    assert float(balance(Progress())) == 1


def test_the_losses_by_hand():
    balance = Equilibrium()
    balance.k.fill_(0.25)
    scores = type("Scores", (), {"real": -torch.tensor([0.4, 0.6]), "fake": -torch.tensor([0.2])})
    loss = Reconstruction(balance)
    assert float(loss.discriminator(scores)) == pytest.approx(0.5 - 0.25 * 0.2)
    assert float(loss.generator(scores)) == pytest.approx(0.2)


def game_with(balance, **changes):
    class Judge(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.decode = nn.Linear(16, 5), nn.Linear(5, 16)

        def forward(self, images):
            code = self.encode(images.flatten(1))
            return DiscriminatorOutput(-(images.flatten(1) - self.decode(code)).abs().mean(1), (code,))

    torch.manual_seed(0)
    return two_player(
        generator=TinyGenerator(), discriminator=Judge(), prior=Gaussian(5), loss=Reconstruction(balance),
        generator_optimiser=sgd, discriminator_optimiser=sgd, **changes,
    )  # fmt: skip


def test_the_state_survives_a_checkpoint_in_the_same_tensors():
    def made():
        balance = Equilibrium(gamma=2.0, gain=0.1)
        return game_with(balance, controllers={"equilibrium": balance})

    first, second = made(), made()
    before = second.controllers["equilibrium"].k.data_ptr()
    for step in range(3):
        report = training_step(first, [real_batch()], Progress(step))
    assert float(report["equilibrium.k"]) == float(first.controllers["equilibrium"].k.float()) > 0
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert second.controllers["equilibrium"].k.data_ptr() == before
    assert second.controllers["equilibrium"].state_dict() == first.controllers["equilibrium"].state_dict()


def test_a_controller_moves_to_the_device_with_its_game():
    balance = Equilibrium()
    game = game_with(balance, controllers={"equilibrium": balance}).to("meta")
    assert game.controllers["equilibrium"].k.device.type == "meta"


def test_a_rate_halves_after_a_window_that_is_no_better_than_the_last_and_not_below_the_smallest():
    balance = Equilibrium()
    rate = HalvingWhenStalled(balance, 0.4, window=2, tolerance=0.9, smallest=0.15)
    seen = []
    for measure in (1.0, 1.0, 0.5, 0.7, 0.6, 0.6, 0.6, 0.6, 0.1, 0.1):  # means of two: 1, 0.6, 0.6, 0.6, 0.1
        balance.measure.fill_(measure)
        rate.observe("discriminator", None)
        rate.observe("generator", None)
        seen.append(round(float(rate(Progress())), 6))
    assert seen == [0.4, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.15, 0.15, 0.15]
    assert set(rate.state_dict()) == {"rate", "total", "before", "seen"}  # and nothing of the balance's


def test_a_stall_is_one_of_the_window_before_not_of_the_best_so_far():
    balance = Equilibrium()
    rate, seen = HalvingWhenStalled(balance, 0.4, window=1, tolerance=1.0), []
    for measure in (1.0, 3.0, 2.0):
        balance.measure.fill_(measure)
        rate.observe("generator", None)
        seen.append(round(float(rate(Progress())), 6))
    assert seen == [0.4, 0.2, 0.2]


def test_a_game_that_has_just_begun_may_be_saved():
    balance = Equilibrium()
    rate = HalvingWhenStalled(balance, 0.5)
    check_finite(0, game_with(balance, controllers={"equilibrium": balance, "rate": rate}).state_dict())


def test_the_rate_reaches_the_optimiser():
    balance = Equilibrium()
    rate = HalvingWhenStalled(balance, 0.5, window=1, tolerance=1e-9)
    game = game_with(
        balance, controllers={"equilibrium": balance, "rate": rate}, generator_learning_rate=rate,
        discriminator_learning_rate=rate,
    )  # fmt: skip
    reports = [training_step(game, [real_batch()], Progress(step)) for step in range(3)]
    assert [float(report["rate.rate"]) for report in reports] == [
        0.5,
        0.25,
        0.125,
    ]  # nothing stalls in the first window
    assert float(game.optimisers["generator"].param_groups[0]["lr"]) == 0.125


def test_the_latent_constraint_by_hand():
    balance = Equilibrium()
    game = game_with(balance, controllers={"equilibrium": balance}, discriminator_terms=[LatentConstraint(weight=0.5)])
    drawn = []
    game.networks["prior"].register_forward_hook(lambda module, inputs, output: drawn.append(output[0].clone()))
    judge, generator = copy.deepcopy(game.networks["discriminator"]), copy.deepcopy(game.networks["generator"])
    report = training_step(game, [real_batch()], Progress())
    codes = judge(generator(drawn[0])).features[-1]
    expected = 0.5 * (codes - drawn[0]).abs().mean()
    torch.testing.assert_close(report["discriminator.latent_constraint"], expected.detach())


def test_the_defaults_of_a_stall():
    balance = Equilibrium()
    rate, seen = HalvingWhenStalled(balance, 4e-6, window=1), []
    for measure in (1.0, 0.99995, 0.9998, 0.9998, 0.9998):
        balance.measure.fill_(measure)
        rate.observe("generator", None)
        seen.append(float(rate(Progress())))
    assert seen == pytest.approx([4e-6, 2e-6, 2e-6, 1e-6, 1e-6])


def test_a_stall_never_raises_a_rate():
    balance = Equilibrium()
    rate = HalvingWhenStalled(balance, 5e-7, window=1)
    for _ in range(3):
        balance.measure.fill_(1.0)
        rate.observe("generator", None)
    assert float(rate(Progress())) == pytest.approx(5e-7)
