"""Simultaneous updates: all players move at once, on one set of generated images."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers.tiny_game import TinyDiscriminator, TinyGenerator, real_batch, sgd, tiny_game
from papergan.game.game import DiscriminatorOutput, Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import EveryNSteps, Progress
from papergan.game.training_step import training_step
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.gradient_penalties import R1


class DropoutDiscriminator(TinyDiscriminator):
    """Its scores depend on dropout masks."""

    def forward(self, images: torch.Tensor) -> DiscriminatorOutput:
        return super().forward(nn.functional.dropout(images, 0.5))


class CountingGenerator(TinyGenerator):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(latent)


def simultaneous(**changes) -> Game:
    game = tiny_game(**changes)
    return Game(game.networks, game.players, game.turns, average=game.average, updates="simultaneous")


def test_one_step_is_the_textbook_step() -> None:
    """Both gradients at the weights before the step, of the same images and masks, written out with plain torch."""
    game = simultaneous(discriminator=DropoutDiscriminator(), loss=NonSaturating())
    generator, critic = copy.deepcopy(game.networks["generator"]), copy.deepcopy(game.networks["discriminator"])
    generator.requires_grad_(True), critic.requires_grad_(True)
    real = real_batch()["image"]
    torch.manual_seed(3)
    report = training_step(game, [real_batch()], Progress())

    torch.manual_seed(3)
    of_real = critic(real).score
    of_fake = critic(generator(torch.randn(8, 5))).score
    softplus = nn.functional.softplus
    losses = {
        "discriminator": softplus(-of_real).mean() + softplus(of_fake).mean(),
        "generator": softplus(-of_fake).mean(),
    }
    players = {"discriminator": critic, "generator": generator}
    gradients = {
        name: torch.autograd.grad(loss, list(players[name].parameters()), retain_graph=True)
        for name, loss in losses.items()
    }
    for name, player in players.items():
        for weight, gradient in zip(player.parameters(), gradients[name], strict=True):
            weight.grad = gradient
        sgd(player.parameters()).step()
        torch.testing.assert_close(game.networks[name].state_dict(), player.state_dict())
        torch.testing.assert_close(report[f"{name}.{name}_loss"], losses[name].detach())


def test_images_and_scores_are_made_once_for_both_players() -> None:
    calls = {}
    for updates in ("alternating", "simultaneous"):
        game = tiny_game(generator=CountingGenerator(), loss=NonSaturating())
        game.updates = updates
        training_step(game, [real_batch()], Progress())
        calls[updates] = (game.networks["generator"].calls, game.networks["discriminator"].calls)
    assert calls == {"alternating": (2, 3), "simultaneous": (1, 2)}


def test_the_generator_does_not_see_the_discriminators_step() -> None:
    """With a discriminator that moves far, the generator's step is that against the discriminator before it."""
    moved = {}
    for rate in (0.0, 100.0):
        game = simultaneous(discriminator_optimiser=lambda weights, rate=rate: torch.optim.SGD(weights, lr=rate))
        torch.manual_seed(3)
        training_step(game, [real_batch()], Progress())
        moved[rate] = game.networks["generator"].state_dict()
    torch.testing.assert_close(moved[0.0], moved[100.0], rtol=0, atol=0)


def test_gradients_beyond_the_norm_of_a_player_are_scaled_down_to_it() -> None:
    game = simultaneous(loss=NonSaturating())
    game.players["discriminator"] = replace(game.players["discriminator"], max_gradient_norm=1e-3)
    before = [weight.clone() for weight in game.networks["discriminator"].parameters()]
    training_step(game, [real_batch()], Progress())
    moved = [now - old for now, old in zip(game.networks["discriminator"].parameters(), before, strict=True)]
    assert float(torch.cat([one.flatten() for one in moved]).norm()) == pytest.approx(0.1 * 1e-3, rel=1e-2)


def test_no_weight_requires_gradients_after_the_step_and_the_average_follows() -> None:
    game = simultaneous()
    before = copy.deepcopy(game.average.sampler.state_dict())
    training_step(game, [real_batch()], Progress(), NonFiniteGuard(game.device))
    assert not any(weight.requires_grad for weight in game.networks.parameters())
    after = game.average.sampler.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_controllers_observe_each_players_own_turn() -> None:
    seen = []

    class Controller(nn.Module):
        def observe(self, player, context):
            seen.append((player, context.turn.player))

        def report(self):
            return {}

    game = tiny_game()
    game = Game(game.networks, game.players, game.turns, controllers={"one": Controller()}, updates="simultaneous")
    training_step(game, [real_batch()], Progress())
    assert seen == [("discriminator", "discriminator"), ("generator", "generator")]


def test_a_step_in_which_no_turn_is_due_does_nothing() -> None:
    game = simultaneous()
    game.turns = [replace(turn, when=EveryNSteps(2)) for turn in game.turns]
    before = copy.deepcopy(game.networks.state_dict())
    assert training_step(game, [real_batch()], Progress(step=1)) == {}
    torch.testing.assert_close(game.networks.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"discriminator_steps": 2},
        {"fakes_per_real": 2},
        {"discriminator_terms": (R1(weight=1.0),)},
        {"generator_steps": 2, "discriminator_steps": 2},
    ],
)
def test_turns_that_cannot_share_their_images_are_refused(changes) -> None:
    with pytest.raises(ValueError, match="simultaneous updates need one turn for each player"):
        simultaneous(**changes)


def test_players_that_share_weights_are_refused() -> None:
    game = tiny_game()
    players = game.players | {"generator": replace(game.players["generator"], networks=("generator", "discriminator"))}
    Game(game.networks, players, game.turns)
    with pytest.raises(ValueError, match="players that share no weights"):
        Game(game.networks, players, game.turns, updates="simultaneous")


def test_two_turns_of_one_player_are_refused() -> None:
    game = tiny_game()
    with pytest.raises(ValueError, match="one turn for each player"):
        Game(game.networks, game.players, (*game.turns, game.turns[0]), updates="simultaneous")
