"""What stands in for CUDA graphs where there is no GPU: a recording is repeated by doing its work again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from papergan.game.cuda_graphs import GraphedStep
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.state_snapshot import StateSnapshot
from papergan.game.training_step import Report


class Again:
    """As a graph does: recording changes no state, repeating writes to the tensors that recording returned."""

    def __init__(self, game: Game, guard: NonFiniteGuard) -> None:
        self.game, self.guard = game, guard
        self.played, self.repeated = 0, 0

    def run(self, work: Callable[[], Report]) -> Report:
        self.played += 1
        return work()

    def record(self, work: Callable[[], Report]) -> tuple[Callable[[], None], Report]:
        with unchanged(self.game, self.guard):
            results = {name: torch.full_like(value, torch.nan) for name, value in work().items()}

        def repeat() -> None:
            self.repeated += 1
            for name, value in work().items():
                results[name].copy_(value)

        return repeat, results


@contextmanager
def unchanged(game: Game, guard: NonFiniteGuard) -> Iterator[None]:
    state, random = StateSnapshot(game, guard), torch.get_rng_state()
    try:
        yield
    finally:
        state.restore()
        torch.set_rng_state(random)


def captured(game: Game, autocast: torch.dtype | None = None, exact: bool = True) -> GraphedStep:
    """Plays with recordings that are repeated by `Again`."""
    guard = NonFiniteGuard(game.device)
    return GraphedStep(game, guard, autocast, Again(game, guard), exact=exact)
