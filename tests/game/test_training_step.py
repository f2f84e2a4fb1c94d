"""The verb: who moves, who does not, in which order, and what is reported."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from helpers.tiny_game import TinyDiscriminator, real_batch, sgd, tiny_game
from papergan.errors import NotFiniteError
from papergan.game import optimisers
from papergan.game.game import DiscriminatorOutput, Game, Match, Player, Turn
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import EveryNSteps, Progress, StepDecay
from papergan.game.step_context import StepContext
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.game.training_step import training_step
from papergan.objectives.adversarial import RelativisticPairing, Wasserstein


def weights(game: Game, name: str) -> list[torch.Tensor]:
    return [w.detach().clone() for w in game.networks[name].parameters()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_one_wasserstein_step_is_the_textbook_step(game):
    """The same step written out with plain torch, from the same weights and noise, gives the same weights."""
    generator, critic = copy.deepcopy(game.networks["generator"]), copy.deepcopy(game.networks["discriminator"])
    generator.requires_grad_(True), critic.requires_grad_(True)
    real = real_batch()["image"]
    torch.manual_seed(3)
    training_step(game, [real_batch()], Progress())

    torch.manual_seed(3)
    optimiser = sgd(critic.parameters())
    loss = critic(generator(torch.randn(8, 5)).detach()).score.mean() - critic(real).score.mean()
    loss.backward()
    optimiser.step()
    optimiser = sgd(generator.parameters())
    (-critic(generator(torch.randn(8, 5))).score.mean()).backward()
    optimiser.step()
    torch.testing.assert_close(game.networks["discriminator"].state_dict(), critic.state_dict())
    torch.testing.assert_close(game.networks["generator"].state_dict(), generator.state_dict())


def test_only_the_mover_moves_and_only_it_has_gradients():
    game = tiny_game()
    game.turns = [turn for turn in game.turns if turn.player == "discriminator"]
    generator, discriminator = weights(game, "generator"), weights(game, "discriminator")
    training_step(game, [real_batch()], Progress())
    assert same(generator, weights(game, "generator"))
    assert not same(discriminator, weights(game, "discriminator"))
    assert all(w.grad is None for w in game.networks["generator"].parameters())
    assert not any(w.requires_grad for w in game.networks.parameters())


def test_a_loss_that_ignores_the_real_side_does_not_pay_for_it(game):
    game.turns = [turn for turn in game.turns if turn.player == "generator"]
    training_step(game, [real_batch()], Progress())
    assert game.networks["discriminator"].calls == 1


def test_repeats_see_the_batches_of_the_iteration_in_order():
    seen: list[tuple[str, float]] = []

    class Spy(TinyDiscriminator):
        def forward(self, images):
            seen.append(images.mean().item())
            return super().forward(images)

    game = tiny_game(discriminator=Spy(), discriminator_steps=3)
    batches = [{"image": torch.full((4, 1, 4, 4), value)} for value in (0.1, 0.2, 0.3)]
    assert game.batches_per_step == 3
    training_step(game, batches, Progress())
    reals = [round(value, 4) for value in seen if round(value, 4) in (0.1, 0.2, 0.3)]
    assert reals == [0.1, 0.2, 0.3]
    seen.clear()
    game = tiny_game(discriminator=Spy(), discriminator_steps=3, loss=RelativisticPairing())
    training_step(game, batches, Progress())
    reals = [round(value, 4) for value in seen if round(value, 4) in (0.1, 0.2, 0.3)]
    assert reals == [0.1, 0.2, 0.3, 0.1]  # the generator's only step sees the first batch


def test_each_turn_is_repeated_as_often_as_its_player_is_to_move():
    game = tiny_game(discriminator_steps=2, generator_steps=3)
    assert [(turn.player, turn.repeats) for turn in game.turns] == [("discriminator", 2), ("generator", 3)]


def test_a_match_has_real_images_and_fakes_of_its_own(game):
    batch = real_batch() | {"other": torch.zeros(8, 1, 4, 4), "given": torch.randn(8, 5)}
    usual, other = Match(), Match(source="given", real="other")
    game.reals = SimpleNamespace(images=lambda context: torch.ones(8, 1, 4, 4))
    context = StepContext(game, game.turns[0], batch, Progress())
    assert float(context.real(usual).mean()) == 1.0  # in place of those of the batch
    assert context.real(other) is batch["other"]
    fake, of_given = context.fake(usual), context.fake(other)
    torch.testing.assert_close(of_given, game.networks["generator"](batch["given"]))
    assert not torch.equal(fake, of_given)


def test_a_turn_is_taken_only_when_it_is_due():
    lazy = Turn("discriminator", (DiscriminatorLoss(Wasserstein()),), when=EveryNSteps(4))
    game = tiny_game(lazy_turns=[lazy])
    calls = []
    for step in range(5):
        before = game.networks["discriminator"].calls
        training_step(game, [real_batch()], Progress(step))
        calls.append(game.networks["discriminator"].calls - before)
    assert calls == [5, 3, 3, 3, 5]


def test_more_fakes_than_reals_in_the_generators_turn(game):
    shapes = []

    class Spy(TinyDiscriminator):
        def forward(self, images):
            shapes.append(len(images))
            return super().forward(images)

    game = tiny_game(discriminator=Spy(), fakes_per_real=2)
    training_step(game, [real_batch(8)], Progress())
    assert shapes == [8, 8, 16]


def test_learning_rate_follows_its_schedule():
    game = tiny_game(generator_learning_rate=StepDecay(0.4, every_epochs=2))
    for epoch, expected in ((0.0, 0.4), (1.99, 0.4), (2.0, 0.2), (4.5, 0.1)):
        training_step(game, [real_batch()], Progress(epoch=epoch))
        assert game.optimisers["generator"].param_groups[0]["lr"] == pytest.approx(expected)


def ramp(progress: Progress) -> float:
    return 0.1 * progress.step


@pytest.mark.parametrize(
    ("optimiser", "schedules", "expected"),
    [
        (partial(torch.optim.SGD, lr=0.1), ("momentum", "weight_decay"), {"momentum": 0.2, "nesterov": False}),
        (partial(torch.optim.Adam, lr=0.1), ("beta1",), {"betas": (0.2, 0.999)}),
        (partial(torch.optim.Adam, lr=0.1), ("beta2", "eps"), {"betas": (0.9, 0.2), "eps": 0.2}),
    ],
)
def test_any_number_of_an_optimiser_follows_its_schedule(optimiser, schedules, expected):
    plain = tiny_game()
    players = plain.players | {"generator": Player(("generator",), optimiser, schedules=dict.fromkeys(schedules, ramp))}
    game = Game(plain.networks, players, plain.turns)
    training_step(game, [real_batch()], Progress(step=2))
    (group,) = game.optimisers["generator"].param_groups
    assert {name: group[name] for name in expected} == expected
    assert all(group[name] == 0.2 for name in schedules if name in group)


def with_momentum() -> Game:
    plain = tiny_game()
    player = Player(("generator",), optimisers.sgd(0.1), schedules={"momentum": ramp})
    return Game(plain.networks, {"generator": player}, plain.turns[1:])


def test_a_momentum_that_moves_is_the_textbook_one():
    game, velocity = with_momentum(), 0.0
    weight = game.networks["generator"].linear.weight
    for step in (1, 2, 3):
        before = weight.detach().clone()
        training_step(game, [real_batch()], Progress(step))
        velocity = ramp(Progress(step)) * velocity + weight.grad
        torch.testing.assert_close(weight.detach(), before - 0.1 * velocity)


def test_a_momentum_that_moves_goes_on_after_a_resumption_bit_for_bit():
    def run(game: Game, steps: range) -> Game:
        for step in steps:
            torch.manual_seed(step)
            training_step(game, [real_batch(seed=step)], Progress(step))
        return game

    straight, resumed = run(with_momentum(), range(6)), with_momentum()
    resumed.load_state_dict(copy.deepcopy(run(with_momentum(), range(3)).state_dict()))
    run(resumed, range(3, 6))
    assert same(weights(straight, "generator"), weights(resumed, "generator"))


def test_gradients_beyond_the_norm_of_a_player_are_scaled_down_to_it():
    plain = tiny_game()
    for limit in (1e-3, 1e3):
        player = Player(("generator",), partial(torch.optim.SGD, lr=1.0), max_gradient_norm=limit)
        game = Game(plain.networks, {"generator": player}, plain.turns[1:])
        before = weights(game, "generator")
        report = training_step(game, [real_batch()], Progress())
        moved = torch.cat([(a - b).flatten() for a, b in zip(before, weights(game, "generator"), strict=True)]).norm()
        assert float(moved) == pytest.approx(min(limit, float(report["generator.gradient_norm"])), rel=1e-3)


def test_a_player_may_train_a_part_of_a_network():
    plain = tiny_game()
    part, *_ = (name for name, _ in plain.networks["generator"].named_children())
    game = Game(plain.networks, {"generator": Player((f"generator.{part}",), sgd)}, plain.turns[1:])
    before = weights(game, "generator")
    training_step(game, [real_batch()], Progress())
    inside = len(list(game.networks["generator"].get_submodule(part).parameters()))
    moves = [not torch.equal(a, b) for a, b in zip(before, weights(game, "generator"), strict=True)]
    assert any(moves)
    assert sum(moves) <= inside
    assert not any(weight.requires_grad for weight in game.networks.parameters())


def test_constraints_hold_after_every_move():
    def clip(module: nn.Module) -> None:
        for weight in module.parameters():
            weight.data.clamp_(-0.01, 0.01)

    game = tiny_game()
    game.players["discriminator"] = Player(("discriminator",), sgd, constraints=(clip,))
    training_step(game, [real_batch()], Progress())
    assert max(w.abs().max().item() for w in game.networks["discriminator"].parameters()) <= 0.01


def test_controllers_observe_every_move(game):
    moves = []

    class Controller:
        def __call__(self, progress):
            return 1.0

        def observe(self, player, round):
            moves.append(player)

        def report(self):
            return {"moves": torch.tensor(float(len(moves)))}

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    game.controllers = {"k": Controller()}
    report = training_step(game, [real_batch()], Progress())
    assert moves == ["discriminator", "generator"]
    assert report["k.moves"] == 2


def test_a_nan_is_noticed_later_and_named(game):
    guard = NonFiniteGuard(torch.device("cpu"))
    training_step(game, [real_batch()], Progress(0), guard)
    with torch.no_grad():
        game.networks["generator"].linear.weight.fill_(torch.nan)
    training_step(game, [real_batch()], Progress(1), guard)
    training_step(game, [real_batch()], Progress(2), guard)
    with pytest.raises(NotFiniteError, match=r"^step 1, discriminator: discriminator_loss=nan, gradient_norm=nan\. "):
        guard.check()


def test_finite_play_passes_the_watch(game):
    guard = NonFiniteGuard(torch.device("cpu"))
    for step in range(3):
        training_step(game, [real_batch()], Progress(step), guard)
    guard.check()


def test_two_domains_translate_into_each_other():
    """Two matches share four networks: the kernel knows no number of players, and a source may be a batch key."""
    torch.manual_seed(0)

    class Translate(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 1)

        def forward(self, images):
            return self.layer(images)

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 1)

        def forward(self, images):
            return DiscriminatorOutput(self.layer(images.flatten(1)).squeeze(1))

    to_b = Match("g_ab", "d_b", source="a", real="b")
    to_a = Match("g_ba", "d_a", source="b", real="a")
    loss = Wasserstein()
    game = Game(
        networks=nn.ModuleDict({"g_ab": Translate(), "g_ba": Translate(), "d_a": Critic(), "d_b": Critic()}),
        players={"judges": Player(("d_a", "d_b"), sgd), "translators": Player(("g_ab", "g_ba"), sgd)},
        turns=[
            Turn("judges", tuple(DiscriminatorLoss(loss, match=m) for m in (to_a, to_b))),
            Turn("translators", tuple(GeneratorLoss(loss, match=m) for m in (to_a, to_b))),
        ],
        showcase=Match("g_ab", "d_b", source="g_ba"),
    )
    before = {name: weights(game, name) for name in game.networks}
    report = training_step(game, [{"a": torch.rand(3, 1, 4, 4), "b": torch.rand(3, 1, 4, 4)}], Progress())
    assert all(not same(before[name], weights(game, name)) for name in game.networks)
    assert "judges.discriminator_loss" in report


def test_unknown_names_are_refused(game):
    with pytest.raises(ValueError, match="player 'x' trains 'y'; there are discriminator, generator, prior"):
        Game(game.networks, {"x": Player(("y",), sgd)}, [])
    with pytest.raises(
        ValueError, match="player 'x' has schedules of 'speed'; there are dampening, momentum, weight_decay"
    ):
        Game(game.networks, {"x": Player(("generator",), sgd, schedules={"speed": 1.0})}, [])
    with pytest.raises(ValueError, match="turns are taken by 'nobody'"):
        Game(game.networks, {}, [Turn("nobody", (DiscriminatorLoss(Wasserstein()),))])


def test_state_round_trip_continues_bit_for_bit():
    def run(game: Game, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step)
            training_step(game, [real_batch(seed=step)], Progress(step))

    straight = tiny_game()
    run(straight, range(6))
    first = tiny_game()
    run(first, range(3))
    second = tiny_game()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(second, range(3, 6))
    for a, b in zip(straight.networks.state_dict().values(), second.networks.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(straight.average.state_dict().values(), second.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_foreign_state_is_refused(game):
    state = game.state_dict()
    with pytest.raises(ValueError, match="optimisers: discriminator is missing; .*; stranger is not part of this game"):
        game.load_state_dict({**state, "optimisers": {"stranger": {}}})


def test_a_state_that_does_not_fit_changes_nothing(game):
    before = copy.deepcopy(game.state_dict())
    state = copy.deepcopy(before)
    for tensor in state["networks"].values():
        tensor += 1
    moments = state["optimisers"]["generator"]["state"]
    moments[0] = {"momentum_buffer": torch.zeros(3)}
    with pytest.raises(ValueError, match=r"momentum_buffer of weight 0 is \[3\], expected \[16, 5\]"):
        game.load_state_dict(state)
    moments.clear()
    state["average"].pop("generator.linear.bias")
    state["average"]["more"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"average: generator\.linear\.bias is missing; more is not part"):
        game.load_state_dict(state)
    for name, tensor in game.networks.state_dict().items():
        assert torch.equal(tensor, before["networks"][name])


def test_terms_of_one_kind_are_told_apart_by_their_discriminators():
    terms = [DiscriminatorLoss(Wasserstein(), match=Match(discriminator=name)) for name in ("one", "two", "two")]
    names = [f"d.discriminator_loss{end}" for end in ("", "_two", "_3")]
    assert Turn("d", tuple(terms)).names == tuple(names)


def test_two_terms_of_one_kind_are_both_reported():
    game = tiny_game(discriminator_terms=[DiscriminatorLoss(Wasserstein(), weight=0.5)])
    report = training_step(game, [real_batch()], Progress())
    assert report["discriminator.discriminator_loss_2"].item() == pytest.approx(
        0.5 * report["discriminator.discriminator_loss"].item()
    )
