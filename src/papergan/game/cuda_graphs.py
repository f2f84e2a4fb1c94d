"""A wrapper around `training_step` that records a step once as a CUDA graph and replays it with a single launch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from papergan.game.game import Game, Turn
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import GraphScalars, Progress
from papergan.game.sharding import is_shared
from papergan.game.state_snapshot import StateSnapshot, addresses
from papergan.game.training_step import (
    Batch,
    Report,
    active_turns,
    run_turns,
    set_learning_rate,
    set_numbers,
    training_step,
)  # fmt: skip
from papergan.messages import first_cause

logger = logging.getLogger(__name__)

WARM_UP = 3  # eager iterations of a kind before its recording: kernels are chosen, optimisers create their state
PATIENCE = 8  # consecutive resets without a recording before a warning


class Engine(Protocol):
    """Records work on the device and replays it."""

    def run(self, work: Callable[[], Report]) -> Report:
        """Do the work now, on the recordings' stream, to set up what they need."""

    def record(self, work: Callable[[], Report]) -> tuple[Callable[[], None], Report]:
        """Record the work without doing it. Returns a function that replays it, and the tensors that it writes."""


class CudaEngine:
    """The CUDA graph engine, on its own stream; graphs share one memory pool, since only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, work: Callable[[], Report]) -> Report:
        usual = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            results = work()
        usual.wait_stream(self._stream)
        return results

    def record(self, work: Callable[[], Report]) -> tuple[Callable[[], None], Report]:
        usual, graph = torch.cuda.current_stream(self._device), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                results = work()
        finally:
            torch.cuda.set_stream(usual)  # a recording that fails leaves its own stream behind
        return graph.replay, results


@dataclass(frozen=True)
class Iteration:
    """The inputs of one training step: its turns, their batches, and the seed of its randomness."""

    turns: tuple[Turn, ...]
    batches: Sequence[Batch]
    progress: Progress
    seed: int

    @property
    def kind(self) -> object:
        """The key of the recording for this iteration: its turns, and the shapes of its batches."""
        shapes = tuple((name, tensor.shape) for batch in self.batches for name, tensor in batch.items())
        return tuple(map(id, self.turns)), shapes


@dataclass
class Recording:
    """A recorded iteration: the batches that it reads, the function that replays it, the report that it writes."""

    batches: list[dict[str, Tensor]]
    replay: Callable[[], None]
    report: Report
    checked: bool = False


class GraphedStep:
    """Wraps `training_step`: records an iteration of each kind, verifies the recording, and replays it from then on.

    The first three iterations of a kind run eagerly, the next one is also recorded, and the one after it is both
    replayed and run eagerly, from the same state: the recording is used from then on only if both give the same result.
    The state of the eager run is kept. If anything cannot be recorded or differs, all further iterations run eagerly,
    and one warning says why. Optimiser hyperparameters other than the learning rate are fixed in a recording: when one
    changes (`Player.schedules`), recordings are dropped and made again; likewise when a network that follows the
    progress changes, see `FollowsProgress`. If this leaves nothing recorded for long, one warning says so.
    exact: whether "the same" means bit-identical; see `StateSnapshot.first_difference` otherwise. engine: becomes None
    when recording is given up. `Trainer` creates this if `training.cuda_graphs` is set and the device is a GPU.
    """

    def __init__(
        self, game: Game, guard: NonFiniteGuard, autocast: torch.dtype | None, engine: Engine, *, exact: bool
    ) -> None:
        self.game, self.guard, self.autocast, self.exact = game, guard, autocast, exact
        self.engine: Engine | None = engine
        self._numbers: list[tuple[float, ...]] = []
        self._patience = PATIENCE
        self.reset()

    def reset(self) -> None:
        """Drop all recordings, because tensors of the game were replaced."""
        self._recordings: dict[object, Recording] = {}
        self._eager_runs: Counter[object] = Counter()
        self._scalars = GraphScalars(self.game.device)

    def __call__(self, batches: Sequence[Batch], progress: Progress, seed: int) -> Report:
        """Run one training step with the randomness of `seed`. The next call overwrites the report's tensors."""
        if self.engine is not None and (obstacle := self._obstacle()) is not None:
            self._fall_back(obstacle)
        if self.engine is None:
            torch.manual_seed(seed)
            return training_step(self.game, batches, progress, self.guard, self.autocast)
        of_players = (set_numbers(self.game, name, progress) for name in self.game.players)
        numbers = [self.game.set_progress(progress), *of_players]
        if numbers != self._numbers:
            self._warn_of_changes()
            self.reset()
            self._numbers = numbers
        iteration = Iteration(active_turns(self.game, progress), batches, progress, seed)
        self.guard.register_steps(progress.step, iteration.turns)
        recording = self._recordings.get(iteration.kind)
        if recording is None:
            return self._warm_up(iteration)
        return self._replay(recording, iteration) if recording.checked else self._verify(recording, iteration)

    def _warn_of_changes(self) -> None:
        """Warn, once, that hyperparameters change too often for anything to be recorded."""
        self._patience = PATIENCE if self._recordings and self._patience > 0 else self._patience - 1
        if self._patience == 0:
            logger.warning("Running without CUDA graphs for now: numbers that a recording fixes change too often")

    def _run_eagerly(self, iteration: Iteration) -> Report:
        def work() -> Report:
            torch.manual_seed(iteration.seed)
            return run_turns(
                self.game, iteration.turns, iteration.batches, iteration.progress, self.guard, self.autocast
            )  # fmt: skip

        return work() if self.engine is None else self.engine.run(work)

    def _warm_up(self, iteration: Iteration) -> Report:
        """Run eagerly, and record the iteration if this kind has run often enough."""
        kind, before = iteration.kind, addresses(self.game, self.guard)
        if self._eager_runs[kind] == WARM_UP:
            self._record(iteration)
        report = self._run_eagerly(iteration)
        self._eager_runs[kind] += 1
        if self._eager_runs[kind] == WARM_UP and before != addresses(self.game, self.guard):
            self._fall_back("a tensor of the game is replaced in every iteration rather than changed in place")
        return report

    def _record(self, iteration: Iteration) -> None:
        assert self.engine is not None
        own = [{name: tensor.clone() for name, tensor in batch.items()} for batch in iteration.batches]

        def work() -> Report:
            with _recordable(self.game.optimisers.values()):
                return run_turns(self.game, iteration.turns, own, self._scalars, self.guard, self.autocast)

        try:
            repeat, report = self.engine.record(work)
            self._scalars.refill(iteration.progress)
        except Exception as error:  # any kind: a bug in the game itself shows in the eager run, which is next
            self._fall_back(first_cause(error))
        else:
            self._recordings[iteration.kind] = Recording(own, repeat, report)

    def _replay(self, recording: Recording, iteration: Iteration) -> Report:
        """Copy batches and schedules into the recording's tensors, replay it, and update the learning rates."""
        pairs = zip(recording.batches, iteration.batches, strict=True)
        copies = [(own[name], given[name]) for own, given in pairs for name in own]
        torch._foreach_copy_([own for own, _ in copies], [given for _, given in copies])
        self._scalars.refill(iteration.progress)
        torch.manual_seed(iteration.seed)
        recording.replay()
        for turn in iteration.turns:
            set_learning_rate(self.game, turn.player, iteration.progress)
        return recording.report

    def _verify(self, recording: Recording, iteration: Iteration) -> Report:
        """Replay and run eagerly from the same state, and compare. The state of the eager run is kept."""
        begin = StateSnapshot(self.game, self.guard)
        try:
            report, found = self._compare(recording, iteration, begin)
        except torch.OutOfMemoryError:
            report, found = {}, "too little memory to have recordings besides"
        step = iteration.progress.step
        if found is not None:
            self._fall_back(f"at step {step}: {found}")
        elif not any(one.checked for one in self._recordings.values()):
            logger.info("Iterations are repeated from CUDA graphs, since that of step %d came to the same", step)
        recording.checked = True
        if not report:
            begin.restore()
            report = self._run_eagerly(iteration)
        return report

    def _compare(self, recording: Recording, iteration: Iteration, begin: StateSnapshot) -> tuple[Report, str | None]:
        """The report of the eager run, and where the replay differs from it; None if it does not."""
        repeated = StateSnapshot(self.game, self.guard, self._replay(recording, iteration))
        begin.restore()
        again = None
        if not self.exact:
            again = StateSnapshot(self.game, self.guard, self._run_eagerly(iteration))
            begin.restore()
        report = self._run_eagerly(iteration)
        eager = StateSnapshot(self.game, self.guard, report)
        found = repeated.first_different_bit(eager) if again is None else repeated.first_difference(begin, eager, again)
        return report, found and f"a repeated iteration came to something else than the same one run eagerly: {found}"

    def _obstacle(self) -> str | None:
        """Why this game cannot be recorded, as far as known beforehand; None if no reason is known."""
        if is_shared():
            return "each batch is shared out to several processes"
        others = [name for name, one in self.game.controllers.items() if not getattr(one, "on_device", False)]
        return f"controller {others[0]!r} keeps its state on the host" if others else None

    def _fall_back(self, reason: str) -> None:
        self.engine = None
        self.reset()
        logger.warning("Running without CUDA graphs: %s", reason)


@contextmanager
def _recordable(optimisers: Iterable[Optimizer]) -> Iterator[None]:
    """Make optimisers capturable inside the block; restore their settings afterwards."""
    groups = [group for optimiser in optimisers for group in optimiser.param_groups]
    kept: list[dict[str, Any]] = [{key: group[key] for key in ("lr", "capturable") if key in group} for group in groups]
    try:
        for group in groups:
            if "capturable" in group:
                group["capturable"] = group["params"][0].is_cuda  # torch rejects it elsewhere
        yield
    finally:
        for group, settings in zip(groups, kept, strict=True):
            group.update(settings)
