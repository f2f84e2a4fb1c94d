"""Snapshots of a game's state in memory, to restore it, or to compare replayed with eager training steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard

_COMPARED = ("networks.", "average.", "report.")
SHARE = 0.01  # of the distance moved; a stale batch or stale random numbers change a discriminator more than that
TIMES = 3.0  # allowed distance between an eager run and a replay, as a multiple of that between two eager runs


class StateSnapshot:
    """Copies of every tensor that a training step may change, and of the step's report."""

    def __init__(self, game: Game, guard: NonFiniteGuard, report: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self._own = dict(_tensors(game, guard))
        tensors = self._own | {f"report.{name}": value for name, value in report.items()}
        self.kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the game's state in place."""
        for name, tensor in self._own.items():
            tensor.copy_(self.kept[name])

    def first_different_bit(self, other: StateSnapshot) -> str | None:
        """The first tensor in which the two differ by any bit, with both values if it is a scalar; None if none."""
        for name, mine in self.kept.items():
            if not torch.equal(mine, other.kept[name]):
                return (
                    f"{name} is {float(mine):.9g}, run eagerly {float(other.kept[name]):.9g}"
                    if mine.dim() == 0
                    else name
                )
        return None

    def first_difference(self, begin: StateSnapshot, once: StateSnapshot, again: StateSnapshot) -> str | None:
        """The first part that differs from an eager run by more than two eager runs allow; None if none does.

        All start at `begin`. Kernels that add in any order do not give the same bits twice. So the distance of each
        network, the average, and each number of the report from `once` may be up to one percent of how far that moved
        plus three times the distance between the two eager runs.
        """
        for part in dict.fromkeys(_part(name) for name in self.kept if name.startswith(_COMPARED)):
            names = [name for name, mine in self.kept.items() if _part(name) == part and mine.is_floating_point()]
            moved, noise, apart = (_distance(names, once, other) for other in (begin, again, self))
            if not apart <= SHARE * moved + TIMES * noise:
                return f"{part} moved by {moved:.4g}, is off by {apart:.4g}, and two eager runs differ by {noise:.4g}"
        return None


def addresses(game: Game, guard: NonFiniteGuard) -> dict[str, int]:
    """The memory address of every tensor of the state."""
    return {name: tensor.data_ptr() for name, tensor in _tensors(game, guard)}


def _tensors(game: Game, guard: NonFiniteGuard) -> Iterator[tuple[str, Tensor]]:
    for name, network in game.networks.items():
        yield from _of(f"networks.{name}", network)
    if game.average is not None:
        yield from _of("average.sampler", game.average.sampler)
    for name, optimiser in game.optimisers.items():
        for place, state in enumerate(optimiser.state.values()):
            yield from ((f"optimisers.{name}.{key}.{place}", t) for key, t in state.items() if isinstance(t, Tensor))
    for name, controller in game.controllers.items():
        yield from ((f"controllers.{name}.{k}", t) for k, t in controller.state_dict().items() if isinstance(t, Tensor))
    yield from ((f"guard.{place}", tensor) for place, tensor in enumerate(guard.tensors()))


def _of(part: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"{part}.{name}", tensor) for name, tensor in (*module.named_parameters(), *module.named_buffers()))


def _part(name: str) -> str:
    """The part that an entry belongs to: a network, the average, or one number of the report."""
    return name if name.startswith("report.") else ".".join(name.split(".")[:2])


def _distance(names: Iterable[str], one: StateSnapshot, other: StateSnapshot) -> float:
    """The Euclidean distance of these entries; entries that the other lacks count as 0."""
    squares = 0.0
    for name in names:
        mine, theirs = one.kept[name].double(), other.kept.get(name)
        squares += float((mine if theirs is None else mine - theirs.double()).square().sum())
    return math.sqrt(squares)
