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
from papergan.game.training_step import Batch, Report, active_turns, follow_rate, run_turns, training_step

log = logging.getLogger(__name__)

WARM_UP = 3  # iterations of a kind before it is recorded: kernels are chosen and optimisers make their state


class Engine(Protocol):
    """What records device work and repeats it."""

    def apart(self, work: Callable[[], Report]) -> Report:
        """Do the work now, where recordings are made, so that what is set up there is set up before a recording."""

    def record(self, work: Callable[[], Report]) -> tuple[Callable[[], None], Report]:
        """Record the work without doing it. Returns what repeats it, and the tensors where its results will lie."""


class CudaEngine:
    """CUDA graphs on a stream of their own, sharing one pool of memory, since only one of them runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def apart(self, work: Callable[[], Report]) -> Report:
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
    """One iteration to come: its turns, their batches, and the seed of its randomness."""

    turns: tuple[Turn, ...]
    batches: Sequence[Batch]
    progress: Progress
    seed: int

    @property
    def kind(self) -> object:
        """Equal for iterations that one recording serves: those of the same turns on batches of the same shapes."""
        shapes = tuple((name, tensor.shape) for batch in self.batches for name, tensor in batch.items())
        return tuple(map(id, self.turns)), shapes


@dataclass
class Recording:
    """What repeats one kind of iteration: where it reads its batches, and where its report lies."""

    batches: list[dict[str, Tensor]]
    repeat: Callable[[], None]
    report: Report
    checked: bool = False


class GraphedStep:
    """Runs training steps as `training_step` does, from recordings once there are some, each checked first.

    The first three iterations of a kind are played as usual, the next one is recorded besides, and the one after it is
    both repeated from the recording and played, from the same state: only where both come to the same does the
    recording serve from then on. What was played is what counts. Where anything cannot be recorded or differs, all
    iterations that follow are played, and one line says why.
    exact: whether "the same" means the same bits; see `StateSnapshot.alike` otherwise. engine: becomes None when
    recordings are given up. `Trainer` makes one where `training.cuda_graphs` asks for it and the device is a GPU.
    """

    def __init__(
        self, game: Game, watch: NonFiniteGuard, autocast: torch.dtype | None, engine: Engine, *, exact: bool
    ) -> None:
        self.game, self.watch, self.autocast, self.exact = game, watch, autocast, exact
        self.engine: Engine | None = engine
        self.forget()

    def forget(self) -> None:
        """Begin anew, because tensors of the game became others."""
        self._recordings: dict[object, Recording] = {}
        self._played: Counter[object] = Counter()
        self._dials = GraphScalars(self.game.device)

    def __call__(self, batches: Sequence[Batch], progress: Progress, seed: int) -> Report:
        """One iteration with the randomness of `seed`. The report's tensors hold until the next one."""
        if self.engine is not None and (hindrance := self._hindrance()) is not None:
            self._give_up(hindrance)
        if self.engine is None:
            torch.manual_seed(seed)
            return training_step(self.game, batches, progress, self.watch, self.autocast)
        iteration = Iteration(active_turns(self.game, progress), batches, progress, seed)
        self.watch.announce(progress.step, iteration.turns)
        recording = self._recordings.get(iteration.kind)
        if recording is None:
            return self._approach(iteration)
        return self._repeat(recording, iteration) if recording.checked else self._check(recording, iteration)

    def _play(self, iteration: Iteration) -> Report:
        def work() -> Report:
            torch.manual_seed(iteration.seed)
            return run_turns(
                self.game, iteration.turns, iteration.batches, iteration.progress, self.watch, self.autocast
            )  # fmt: skip

        return work() if self.engine is None else self.engine.apart(work)

    def _approach(self, iteration: Iteration) -> Report:
        """Play, and record where this kind has been played often enough."""
        kind, before = iteration.kind, addresses(self.game, self.watch)
        if self._played[kind] == WARM_UP:
            self._record(iteration)
        report = self._play(iteration)
        self._played[kind] += 1
        if self._played[kind] == WARM_UP and before != addresses(self.game, self.watch):
            self._give_up("a tensor of the game is replaced in every iteration rather than changed in place")
        return report

    def _record(self, iteration: Iteration) -> None:
        assert self.engine is not None
        own = [{name: tensor.clone() for name, tensor in batch.items()} for batch in iteration.batches]

        def work() -> Report:
            with _recordable(self.game.optimisers.values()):
                return run_turns(self.game, iteration.turns, own, self._dials, self.watch, self.autocast)

        try:
            repeat, report = self.engine.record(work)
            self._dials.turn(iteration.progress)
        except Exception as error:  # whatever it is: a fault of the game itself shows when it is played, which is next
            self._give_up(_first_cause(error))
        else:
            self._recordings[iteration.kind] = Recording(own, repeat, report)

    def _repeat(self, recording: Recording, iteration: Iteration) -> Report:
        """All that a recording reads is put in place before; what the host keeps of an iteration is done after."""
        pairs = zip(recording.batches, iteration.batches, strict=True)
        copies = [(own[name], given[name]) for own, given in pairs for name in own]
        torch._foreach_copy_([own for own, _ in copies], [given for _, given in copies])
        self._dials.turn(iteration.progress)
        torch.manual_seed(iteration.seed)
        recording.repeat()
        for turn in iteration.turns:
            follow_rate(self.game, turn.player, iteration.progress)
        return recording.report

    def _check(self, recording: Recording, iteration: Iteration) -> Report:
        """Repeat it and play it from the same state; what was played stays."""
        begin = StateSnapshot(self.game, self.watch)
        try:
            report, found = self._both(recording, iteration, begin)
        except torch.OutOfMemoryError:
            report, found = {}, "too little memory to have recordings besides"
        step = iteration.progress.step
        if found is not None:
            self._give_up(f"at step {step}: {found}")
        elif not any(one.checked for one in self._recordings.values()):
            log.info("Iterations are repeated from CUDA graphs, since that of step %d came to the same", step)
        recording.checked = True
        if not report:
            begin.restore()
            report = self._play(iteration)
        return report

    def _both(self, recording: Recording, iteration: Iteration, begin: StateSnapshot) -> tuple[Report, str | None]:
        """The report of what was played, and where it differs from what was repeated."""
        repeated = StateSnapshot(self.game, self.watch, self._repeat(recording, iteration))
        begin.restore()
        again = None
        if not self.exact:
            again = StateSnapshot(self.game, self.watch, self._play(iteration))
            begin.restore()
        report = self._play(iteration)
        played = StateSnapshot(self.game, self.watch, report)
        found = repeated.same_bits(played) if again is None else repeated.alike(begin, played, again)
        return report, found and f"a repeated iteration came to something else than the same one played: {found}"

    def _hindrance(self) -> str | None:
        """What is known beforehand to stand against recordings."""
        if is_shared():
            return "each batch is shared out to several processes"
        others = [name for name, one in self.game.controllers.items() if not getattr(one, "on_device", False)]
        return f"controller {others[0]!r} keeps its state on the host" if others else None

    def _give_up(self, reason: str) -> None:
        self.engine = None
        self.forget()
        log.warning("Playing without CUDA graphs: %s", reason)


@contextmanager
def _recordable(optimisers: Iterable[Optimizer]) -> Iterator[None]:
    """Inside the block, optimisers may be recorded; checkpoints and the host see their settings as they were."""
    groups = [group for optimiser in optimisers for group in optimiser.param_groups]
    kept: list[dict[str, Any]] = [{key: group[key] for key in ("lr", "capturable") if key in group} for group in groups]
    try:
        for group in groups:
            if "capturable" in group:
                group["capturable"] = group["params"][0].is_cuda  # torch refuses it elsewhere
        yield
    finally:
        for group, settings in zip(groups, kept, strict=True):
            group.update(settings)


def _first_cause(error: BaseException) -> str:
    """The error that broke a recording off, in one line; ending the recording raises another one on top."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
