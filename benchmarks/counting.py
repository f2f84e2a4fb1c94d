"""Counts what a step costs on any machine: FLOPs, operators, bytes kept for the backward pass, frequency of turns."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from papergan.game.game import Game, Turn, always
from papergan.game.schedules import Progress
from papergan.objectives.gradient_penalties import R1, GradientPenalty
from papergan.training.cost import FlopCounter

PENALTIES = (GradientPenalty, R1)
PERIOD = 5040  # steps; a multiple of all intervals up to ten, 12, 16 and more


class Counts(NamedTuple):
    """Counts for a mean step. kept_bytes: of the turn that keeps most, each storage once, without weights."""

    flops: float
    operators: float
    kept_bytes: int


class Counter(FlopCounter):
    """Adds up FLOPs and operators; counted are operators below autograd that compute, not views."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators += not func.is_view
        return super().__torch_dispatch__(func, types, args, kwargs)


def count(game: Game, training_step: Callable[[Game], object]) -> Counts:
    """Count a mean step, including the average's update. training_step: runs all turns of a game once."""
    flops, operators, kept = 0.0, 0.0, [0]
    for turns in taken_together(game):
        storages: dict[int, Any] = {}
        with Counter() as counter, torch.autograd.graph.saved_tensors_hooks(_keeper(storages), _as_it_is):
            training_step(playing(game, turns))
        share, turn = how_often(turns[0]), turns[0]
        flops, operators = flops + share * counter.flops, operators + share * counter.operators
        weights = {weight.untyped_storage().data_ptr() for weight in game.networks.parameters()}
        kept.append(sum(store.nbytes() for place, store in storages.items() if place not in weights) // turn.repeats)
    if game.average is not None:
        with Counter() as counter:
            game.average.update(Progress(0))
        operators += counter.operators
    return Counts(flops, operators, max(kept))


def taken_together(game: Game) -> list[list[Turn]]:
    """The turns that share images and scores: all of a game of simultaneous updates, else each alone."""
    return [list(game.turns)] if game.updates == "simultaneous" else [[turn] for turn in game.turns]


def how_often(turn: Turn) -> float:
    """The share of steps in which the turn is taken."""
    return statistics.fmean(turn.when(Progress(step)) for step in range(PERIOD))


def playing(game: Game, turns: Sequence[Turn]) -> Game:
    """The same networks and optimisers, playing only these turns, in every step, and without the weight average."""
    other = copy.copy(game)
    other.turns, other.average = [replace(turn, when=always) for turn in turns], None
    return other


def has_penalty(turn: Turn) -> bool:
    """Whether the objective has a gradient penalty or R1."""
    return any(isinstance(term, PENALTIES) for term in turn.objective)


def without_penalties(turn: Turn) -> Turn | None:
    """The turn without gradient penalty and R1; None if nothing is left."""
    kept = tuple(term for term in turn.objective if not isinstance(term, PENALTIES))
    return replace(turn, objective=kept) if kept else None


def summed_bytes(game: Game) -> float:
    """Bytes of gradients that several ranks sum per mean step: every weight of the player that moves, once per move."""
    sizes = {
        name: sum(w.numel() * w.element_size() for n in player.networks for w in game.networks[n].parameters())
        for name, player in game.players.items()
    }
    return sum(how_often(turn) * turn.repeats * sizes[turn.player] for turn in game.turns)


def _keeper(storages: dict[int, Any]) -> Callable[[Tensor], Tensor]:
    """A hook that holds saved tensors until the turn is over, so that no address is reused."""

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage
        return tensor

    return keep


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
