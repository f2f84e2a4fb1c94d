"""Repeating recorded iterations comes to what playing them comes to, or does not happen."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from helpers import kinds
from helpers.recording import Again, captured
from helpers.small_systems import MOVING, at_rate, critic_moves, each_system, small, spec, with_input
from helpers.tiny_game import TinyGenerator, real_batch, tiny_game
from papergan import systems
from papergan.errors import NotFiniteError
from papergan.game import cuda_graphs, training_step
from papergan.game.cuda_graphs import CudaEngine, GraphedStep
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.priors import Gaussian
from papergan.game.schedules import (
    GraphScalars,
    LinearDecay,
    PiecewiseConstant,
    Progress,
    StepDecay,
    UnrecordableError,
)
from papergan.game.sharding import Shard, use_shard
from papergan.game.state_snapshot import StateSnapshot
from papergan.game.terms import DiscriminatorLoss
from papergan.objectives.adversarial import Wasserstein

RATE = 2.0**-10  # exact in float32: torch's fused kernel on a CPU calculates with doubles, on a GPU with floats
LEAST = {"several_players": 14}  # steps until each kind of iteration is repeated; 7 where there is one
MOST = 40


def settings(system: str) -> dict[str, Any]:
    """Small ones at an exact rate, with everything that may move moving."""
    return small(system) | at_rate(system, RATE) | critic_moves(system, 2) | MOVING.get(system, {})


def build(kind: str) -> Game:
    if kind in kinds.SYSTEMS:
        return systems.build(kind, spec(kind, size=16), settings(kind), seed=0)
    return kinds.build(kind)


def batches(game: Game, kind: str, step: int) -> list[dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(step)
    shape = (3, 16, 16) if kind in kinds.SYSTEMS else (1, 4, 4)
    images = spec(kind, size=16)
    return [
        with_input({"image": torch.rand(4, *shape, generator=draw) * 2 - 1, "label": torch.arange(4)}, images, draw)
        for _ in range(game.batches_per_step)
    ]


def run(iterate: GraphedStep | Eager, kind: str, steps: int, first: int = 0) -> list[dict[str, float]]:
    rows = []
    for step in range(first, steps):
        report = iterate(batches(iterate.game, kind, step), Progress(step, 4 * step, step / 10), 100 + step)
        rows.append({name: value.item() for name, value in report.items()})
    return rows


class Eager:
    """Runs every step by `training_step`, as the trainer does without graphs."""

    def __init__(self, game: Game) -> None:
        self.game, self.guard = game, NonFiniteGuard(game.device)

    def __call__(self, batches, progress: Progress, seed: int) -> training_step.Report:
        torch.manual_seed(seed)
        return training_step.training_step(self.game, batches, progress, self.guard)


def played(game: Game) -> Eager:
    return Eager(game)


def assert_same(one: GraphedStep, other: Eager) -> None:
    assert StateSnapshot(one.game, one.guard).first_different_bit(StateSnapshot(other.game, other.guard)) is None


def assert_same_settings(recorded: GraphedStep, straight: Eager) -> None:
    """To the host and to a checkpoint a rate is a number, that of the last step, or an `on_device` knob's tensor."""
    for name, optimiser in recorded.game.optimisers.items():
        (one,), (other,) = (o.state_dict()["param_groups"] for o in (optimiser, straight.game.optimisers[name]))
        assert one == other
        rate = recorded.game.players[name].learning_rate
        assert type(one["lr"]) is (torch.Tensor if getattr(rate, "on_device", False) else float)


@pytest.mark.parametrize("kind", each_system("two_player", "several_players"))
def test_repeated_iterations_are_the_played_ones_bit_for_bit(kind, caplog):
    straight, recorded = played(build(kind)), captured(build(kind))
    steps = LEAST.get(kind, 7)
    assert run(recorded, kind, steps) == run(straight, kind, steps)
    while recorded.engine is not None and recorded.engine.repeated < 3 and steps < MOST:  # once for the check
        assert run(recorded, kind, steps + 1, first=steps) == run(straight, kind, steps + 1, first=steps)
        steps += 1
    assert_same(recorded, straight)
    if kind in kinds.SYSTEMS and "not_recordable" in systems.traits(kind):
        assert recorded.engine is None
        assert "Running without CUDA graphs: " in caplog.text
    else:
        assert recorded.engine is not None, caplog.text
        assert recorded.engine.repeated >= 3
        assert_same_settings(recorded, straight)


def test_each_kind_of_iteration_is_recorded_for_itself():
    iterate = captured(
        tiny_game(lazy_turns=[training_step.Turn("discriminator", (DiscriminatorLoss(Wasserstein()),), when=odd)])
    )
    run(iterate, "tiny", 20)
    assert len(iterate._recordings) == 2
    assert all(recording.checked for recording in iterate._recordings.values())
    assert iterate.engine.played == 2 * 5
    assert iterate.engine.repeated == 20 - 2 * 5 + 2


def odd(progress: Progress) -> bool:
    return progress.step % 2 == 1


def test_another_size_of_batch_is_another_kind():
    straight, recorded = played(tiny_game()), captured(tiny_game())
    sizes = [8] * 7 + [6] * 7 + [8] * 2
    for step, size in enumerate(sizes):
        for iterate in (straight, recorded):
            iterate([real_batch(size, step)], Progress(step), step)
    assert_same(recorded, straight)
    assert len(recorded._recordings) == 2


def moving() -> Game:
    """Everything that may move does: both rates, a term's weight, the average's decay."""
    halved = StepDecay(0.25, every_epochs=0.3)
    return tiny_game(
        generator_learning_rate=halved,
        discriminator_learning_rate=LinearDecay(0.5, 2, 18),
        discriminator_terms=[DiscriminatorLoss(Wasserstein(), weight=lambda progress: 0.1 * progress.step)],
        average=EMA(PiecewiseConstant(0.5, ((8, 0.9999),))),
    )


def test_knobs_move_on_while_iterations_are_repeated():
    straight, recorded = played(moving()), captured(moving())
    assert run(recorded, "tiny", 12) == run(straight, "tiny", 12)
    assert_same(recorded, straight)
    assert_same_settings(recorded, straight)
    assert recorded.engine.repeated == 8


def with_momentum(momentum) -> Game:
    plain = tiny_game(average=None)
    players = {name: replace(one, schedules={"momentum": momentum}) for name, one in plain.players.items()}
    return Game(plain.networks, players, plain.turns)


def test_where_a_momentum_moves_recordings_are_made_anew():
    momentum = PiecewiseConstant(0.5, ((8, 0.75),))
    straight, recorded = played(with_momentum(momentum)), captured(with_momentum(momentum))
    assert run(recorded, "tiny", 16) == run(straight, "tiny", 16)
    assert_same(recorded, straight)
    assert recorded.engine.played == 2 * 5
    assert recorded.engine.repeated == 16 - 2 * 5 + 2


def test_one_warning_says_that_a_momentum_moves_in_every_step(caplog):
    until = 2 * cuda_graphs.PATIENCE
    recorded = captured(with_momentum(LinearDecay(0.5, 0, until)))
    run(recorded, "tiny", until)
    assert not recorded._recordings
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("Running without CUDA graphs for now: ")
    run(recorded, "tiny", until + 6, first=until)
    assert recorded._recordings


def test_no_warning_comes_where_a_momentum_moves_now_and_then(caplog):
    recorded = captured(with_momentum(StepDecay(0.5, every_epochs=0.5)))  # of ten steps
    run(recorded, "tiny", 5 * (cuda_graphs.PATIENCE + 2))
    assert recorded.engine.repeated == cuda_graphs.PATIENCE + 2
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def no_refill(patch: pytest.MonkeyPatch) -> None:
    turn, calls = GraphScalars.refill, itertools.count()
    patch.setattr(GraphScalars, "refill", lambda self, progress: turn(self, progress) if next(calls) < 2 else None)


def a_fixed_rate(patch: pytest.MonkeyPatch) -> None:
    def follow(game, name, progress):
        for group in game.optimisers[name].param_groups:
            group["lr"] = 0.25 if isinstance(progress, GraphScalars) else game.players[name].learning_rate(progress)

    patch.setattr(training_step, "set_learning_rate", follow)


def no_copy(patch: pytest.MonkeyPatch) -> None:
    copy = torch._foreach_copy_
    patch.setattr(
        torch, "_foreach_copy_", lambda own, given: None if own[0].shape[1:] == (1, 4, 4) else copy(own, given)
    )


def no_seed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cuda_graphs.torch, "manual_seed", lambda seed: None)


def no_average(patch: pytest.MonkeyPatch) -> None:
    update = EMA.update
    patch.setattr(
        EMA, "update", lambda self, progress: None if isinstance(progress, GraphScalars) else update(self, progress)
    )


FAULTS = [no_refill, a_fixed_rate, no_copy, no_seed, no_average]


def with_fault(fault: Callable[[pytest.MonkeyPatch], None]) -> GraphedStep:
    """Five iterations as they should be, the check among them, and seven with the fault."""
    iterate = captured(moving())
    run(iterate, "tiny", 5)
    with pytest.MonkeyPatch.context() as patch:
        fault(patch)
        run(iterate, "tiny", 12, first=5)
    return iterate


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_repeating_would_be_seen(fault):
    straight = played(moving())
    run(straight, "tiny", 12)
    faulty = with_fault(fault)
    assert faulty.engine is not None
    assert (
        StateSnapshot(straight.game, straight.guard).first_different_bit(StateSnapshot(faulty.game, faulty.guard))
        is not None
    )


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("fault", [a_fixed_rate, no_copy, no_average])
def test_a_faulty_recording_never_trains(fault, exact, monkeypatch, caplog):
    straight, recorded = played(moving()), captured(moving(), exact=exact)
    run(straight, "tiny", 12)
    run(recorded, "tiny", 4)
    fault(monkeypatch)
    run(recorded, "tiny", 12, first=4)
    assert recorded.engine is None
    assert_same(recorded, straight)
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("Running without CUDA graphs: at step 4: a repeated iteration came to something else than ")


class Noisy(Again):
    """Each play's weights are off by rounding, as on a GPU whose kernels add in any order."""

    def run(self, work):
        results = super().run(work)
        with torch.no_grad():
            for number, weight in enumerate(self.game.networks.parameters()):
                draw = torch.Generator().manual_seed(1000 * self.played + number)
                weight.mul_(1 + 1e-7 * torch.randn(weight.shape, generator=draw))
        return results


@pytest.mark.parametrize("stale", [False, True])
def test_rounding_passes_the_check_and_an_old_batch_does_not(stale):
    kind = "dcgan"  # the one in which an old batch shows least
    iterate = captured(build(kind), exact=False)
    iterate.engine = Noisy(iterate.game, iterate.guard)
    run(iterate, kind, 4)
    (recording,) = iterate._recordings.values()
    if stale:  # what is filled is not what is read
        recording.batches = [{name: tensor.clone() for name, tensor in batch.items()} for batch in recording.batches]
    run(iterate, kind, 5, first=4)
    assert (iterate.engine is None) == stale


class ReadsProgress(Gaussian):
    def forward(self, count, progress):
        return (torch.full((), 1.0 + progress.epoch) * super().forward(count, progress)[0],)


class Replaces(TinyGenerator):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, latent):
        self.seen = self.seen + 1
        return super().forward(latent)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"prior": ReadsProgress(5)},
            "UnrecordableError: something reads progress.epoch, which a recording cannot follow",
        ),
        ({"generator": Replaces()}, "a tensor of the game is replaced in every iteration rather than changed in place"),
        (
            {"discriminator_terms": [DiscriminatorLoss(Wasserstein(), weight=lambda progress: torch.ones(()))]},
            "gives a tensor and does not say that it is `on_device`",
        ),
    ],
)
def test_what_cannot_be_recorded_is_played_and_one_line_says_why(changes, reason, caplog):
    straight, recorded = played(tiny_game(**copy.deepcopy(changes))), captured(tiny_game(**copy.deepcopy(changes)))
    assert run(recorded, "tiny", 8) == run(straight, "tiny", 8)
    assert_same(recorded, straight)
    assert recorded.engine is None
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("Running without CUDA graphs: ")
    assert reason in line


def test_an_engine_that_fails_is_given_up_with_the_first_error(caplog):
    class Broken(Again):
        def record(self, work):
            try:
                raise RuntimeError("operation not permitted\nwhen stream is capturing")
            finally:
                raise RuntimeError("the capture was invalidated")

    straight, recorded = played(moving()), captured(moving())
    recorded.engine = Broken(recorded.game, recorded.guard)
    assert run(recorded, "tiny", 8) == run(straight, "tiny", 8)
    assert [record.message for record in caplog.records] == [
        "Running without CUDA graphs: RuntimeError: operation not permitted when stream is capturing"
    ]


def test_too_little_memory_for_recordings_is_no_reason_to_end(caplog):
    class Small(Again):
        def record(self, work):
            def repeat():
                work()
                raise torch.OutOfMemoryError("CUDA out of memory")

            return repeat, super().record(work)[1]

    straight, recorded = played(moving()), captured(moving())
    recorded.engine = Small(recorded.game, recorded.guard)
    assert run(recorded, "tiny", 8) == run(straight, "tiny", 8)
    assert_same(recorded, straight)
    assert "too little memory" in caplog.text


def test_the_shares_of_several_processes_are_played(caplog):
    iterate = captured(tiny_game())
    with use_shard(Shard(0, 1)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_step, "average_over_ranks", lambda gradients, values: values)
        run(iterate, "tiny", 1)
    assert iterate.engine is None
    assert "shared out to several processes" in caplog.text


def test_a_controller_on_the_host_is_played(caplog):
    straight, recorded = played(build("with_controller")), captured(build("with_controller"))
    assert run(recorded, "with_controller", 8) == run(straight, "with_controller", 8)
    assert "Running without CUDA graphs: controller 'k' keeps its state on the host" in caplog.text


class OnDevice:
    """A balance that is changed in place, and weighs a term."""

    on_device = True

    def __init__(self):
        self.k = torch.tensor(0.1)

    def __call__(self, progress):
        return self.k

    def observe(self, player, round):
        if player == "generator":
            self.k.add_(0.05 * round.fake(round.turn.objective[0].match).detach().mean()).clamp_(0, 1)

    def report(self):
        return {"now": self.k.clone()}

    def state_dict(self):
        return {"k": self.k}

    def load_state_dict(self, state):
        self.k.copy_(state["k"])


def test_a_controller_on_the_device_is_recorded():
    def game() -> Game:
        controller = OnDevice()
        made = tiny_game(discriminator_terms=[DiscriminatorLoss(Wasserstein(), weight=controller)])
        made.controllers = {"k": controller}
        return made

    straight, recorded = played(game()), captured(game())
    assert run(recorded, "tiny", 10) == run(straight, "tiny", 10)
    assert_same(recorded, straight)
    assert recorded.engine.repeated == 6
    assert recorded.game.controllers["k"].k != pytest.approx(0.1)


def test_optimisers_are_as_they_were_after_a_recording_that_failed():
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.5)
    (group,) = optimiser.param_groups
    group["capturable"] = None
    with pytest.raises(UnrecordableError), cuda_graphs._recordable([optimiser]):
        assert group["capturable"] is False  # on a CPU
        group["lr"] = torch.tensor(0.25)
        raise UnrecordableError
    assert (group["lr"], group["capturable"]) == (0.5, None)


def test_what_is_not_finite_is_named_with_its_step_though_it_was_repeated():
    iterate = captured(tiny_game())
    run(iterate, "tiny", 6)
    iterate.guard.check()
    run(iterate, "tiny", 8, first=6)
    with torch.no_grad():
        iterate.game.networks["generator"].linear.weight.fill_(torch.nan)
    run(iterate, "tiny", 10, first=8)
    assert iterate.engine.repeated == 6
    with pytest.raises(NotFiniteError, match=r"^step 8, discriminator: discriminator_loss=nan, gradient_norm=nan\. "):
        iterate.guard.check()


def test_after_forgetting_everything_is_recorded_anew():
    iterate = captured(tiny_game())
    run(iterate, "tiny", 7)
    assert iterate._recordings
    iterate.reset()
    run(iterate, "tiny", 14, first=7)
    assert iterate.engine.played == 10


def test_equal_knobs_share_a_dial_and_one_that_stays_is_not_refilled():
    scalars = GraphScalars(torch.device("cpu"))
    first, same, other = (scalars.scalar(StepDecay(rate, 2)) for rate in (0.5, 0.5, 0.25))
    assert first.data_ptr() == same.data_ptr() != other.data_ptr()
    scalars.refill(Progress(epoch=0.0))
    assert (float(first), float(other)) == (0.5, 0.25)
    first.fill_(7.0)
    scalars.refill(Progress(epoch=1.0))
    assert float(first) == 7.0
    scalars.refill(Progress(epoch=2.0))
    assert (float(first), float(other)) == (0.25, 0.125)


def test_dials_show_nothing_but_knobs():
    scalars = GraphScalars(torch.device("cpu"))
    for name in Progress._fields:
        with pytest.raises(UnrecordableError, match=f"progress.{name}"):
            getattr(scalars, name)
    for number in range(64):
        scalars.scalar(lambda progress, number=number: float(number))
    with pytest.raises(UnrecordableError, match="more than 64 schedules"):
        scalars.scalar(lambda progress: 0.0)


def test_an_average_whose_decay_is_a_dial_takes_the_same_step_to_the_bit():
    for decay in (0.3, 0.999, 0.9999):
        steps = []
        for progress, schedule in (
            (Progress(), decay),
            (GraphScalars(torch.device("cpu")), PiecewiseConstant(decay, ((0, decay),))),
        ):
            game = tiny_game(average=EMA(schedule))
            with torch.no_grad():
                for weight in game.networks.parameters():
                    weight.add_(torch.linspace(-1, 1, weight.numel()).view_as(weight))
            if isinstance(progress, GraphScalars):
                progress.scalar(game.average._share)
                progress.refill(Progress())
            game.average.update(progress)
            steps.append(game.average.state_dict())
        assert all(torch.equal(one, steps[1][name]) for name, one in steps[0].items())


def test_a_twin_puts_back_what_was_and_says_what_differs():
    iterate = played(build("hybrid"))
    run(iterate, "hybrid", 1)
    twin = StateSnapshot(iterate.game, iterate.guard)
    parts = {name.split(".")[0] for name in twin.kept}
    assert parts == {"networks", "average", "optimisers", "guard"}
    assert any("left" in name for name in twin.kept)
    run(iterate, "hybrid", 2, first=1)
    assert twin.first_different_bit(StateSnapshot(iterate.game, iterate.guard)) is not None
    twin.restore()
    assert twin.first_different_bit(StateSnapshot(iterate.game, iterate.guard)) is None


class Stream:
    """Notes who waits for whom, and which one is current."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def cuda(monkeypatch) -> list[str]:
    """torch.cuda as far as the engine uses it; what happened, in order."""
    log: list[str] = []
    usual, own = Stream("usual", log), Stream("own", log)

    class Graph:
        def replay(self):
            log.append("replay")

    @contextmanager
    def on(stream):
        log.append(f"on {stream.name}")
        yield
        log.append(f"off {stream.name}")

    @contextmanager
    def graph(graph, pool, stream):
        log.append(f"record in {pool} on {stream.name}")
        yield
        log.append("recorded")

    for name, stand_in in {
        "Stream": lambda device: own, "current_stream": lambda device: usual, "graph_pool_handle": lambda: "the pool",
        "CUDAGraph": Graph, "stream": on, "graph": graph, "set_stream": lambda stream: log.append(f"set {stream.name}"),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return log


def test_what_is_played_for_recordings_is_played_on_their_stream_and_waited_for(cuda):
    engine = CudaEngine(torch.device("cuda"))
    assert engine.run(lambda: cuda.append("work") or {"a": 1}) == {"a": 1}
    assert cuda == ["own waits for usual", "on own", "work", "off own", "usual waits for own"]


def test_all_recordings_are_made_on_one_stream_in_one_pool_and_the_usual_stream_is_put_back(cuda):
    engine = CudaEngine(torch.device("cuda"))
    repeat, results = engine.record(lambda: cuda.append("work") or {"a": 1})
    assert cuda == ["record in the pool on own", "work", "recorded", "set usual"]
    assert results == {"a": 1}
    repeat()
    assert cuda[-1] == "replay"

    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        engine.record(fails)
    assert cuda[-1] == "set usual"
