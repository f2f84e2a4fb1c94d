"""One training step of a game: every turn once, each an optimiser step of its player, in turns or simultaneous."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from papergan.game.game import Game, Turn, always
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import GraphScalars, Progress, value
from papergan.game.sharding import average_over_ranks
from papergan.game.step_context import StepContext

Batch = Mapping[str, Tensor]
Report = dict[str, Tensor]


def training_step(
    game: Game,
    batches: Sequence[Batch],
    progress: Progress,
    guard: NonFiniteGuard | None = None,
    autocast: torch.dtype | None = None,
) -> Report:
    """Run every active turn once, or `repeats` times; all at once in a game of simultaneous updates.

    Returns each term's weighted value, each player's gradient norm and the values reported by controllers.

    batches: `game.batches_per_step` real batches; the r-th repeat of every turn sees the r-th.
    guard: checks every optimiser step for values that are not finite, without synchronising with the device.
    autocast: the precision of networks, for example torch.bfloat16; penalties and scores stay in float32, with
    products that may be in TF32 on a GPU (`numerics`).
    All results are scalars on the device, by "player.term"; nothing is synchronised.
    """
    game.set_progress(progress)
    turns = active_turns(game, progress)
    if guard is not None:
        guard.register_steps(progress.step, turns)
    return run_turns(game, turns, batches, progress, guard, autocast)


def active_turns(game: Game, progress: Progress) -> tuple[Turn, ...]:
    """The turns that are active in this training step."""
    return tuple(turn for turn in game.turns if turn.when(progress))


def run_turns(
    game: Game,
    turns: Sequence[Turn],
    batches: Sequence[Batch],
    progress: Progress | GraphScalars,
    guard: NonFiniteGuard | None,
    autocast: torch.dtype | None,
) -> Report:
    """Run these turns as `training_step` does, without registering them with the guard. All of it can be recorded."""
    report: Report = {}
    if game.updates == "simultaneous":
        report |= _simultaneous_steps(game, turns, batches[0], progress, guard, autocast)
    else:
        for turn in turns:
            for batch in batches[: turn.repeats]:
                report |= optimiser_step(game, turn, batch, progress, guard, autocast)
    if game.average is not None:
        game.average.update(progress)
    for name, controller in game.controllers.items():
        report |= {f"{name}.{key}": shown for key, shown in controller.report().items()}
    return report


def optimiser_step(
    game: Game,
    turn: Turn,
    batch: Batch,
    progress: Progress | GraphScalars,
    guard: NonFiniteGuard | None,
    autocast: torch.dtype | None,
) -> Report:
    """Take one optimiser step of the player of `turn`, on one batch; returns a report as `training_step` does."""
    context = StepContext(game, turn, batch, progress)
    with game.learning(turn.player) as weights:
        weighted = _weighted_terms(turn, context, autocast)
        _clear_gradients(weights)
        weighted.sum().backward()  # type: ignore[no-untyped-call]
    return _update(turn, context, weights, weighted.detach(), guard)


def _simultaneous_steps(
    game: Game,
    turns: Sequence[Turn],
    batch: Batch,
    progress: Progress | GraphScalars,
    guard: NonFiniteGuard | None,
    autocast: torch.dtype | None,
) -> Report:
    """Take all gradients at the present weights, of the same generated images and scores, then all optimiser steps."""
    updates, cache = [], dict[Hashable, Any]()
    with ExitStack() as stack:
        learning = [stack.enter_context(game.learning(turn.player)) for turn in turns]
        for turn, weights in zip(turns, learning, strict=True):
            context = StepContext(game, turn, batch, progress, cache)
            weighted = _weighted_terms(turn, context, autocast)
            _clear_gradients(weights)
            torch.autograd.backward(weighted.sum(), inputs=weights, retain_graph=turn is not turns[-1])
            updates.append((turn, context, weights, weighted.detach()))
    report: Report = {}
    for update in updates:
        report |= _update(*update, guard)
    return report


def _weighted_terms(turn: Turn, context: StepContext, autocast: torch.dtype | None) -> Tensor:
    """The weighted terms of the turn's objective, [number of terms]."""
    with torch.autocast(context.game.device.type, dtype=autocast) if autocast else nullcontext():
        return torch.stack([context.value(term.weight) * term(context) for term in turn.objective])


def _clear_gradients(weights: Sequence[nn.Parameter]) -> None:
    for weight in weights:  # as zero_grad does, without its hooks
        weight.grad = None


def _update(
    turn: Turn, context: StepContext, weights: Sequence[nn.Parameter], weighted: Tensor, guard: NonFiniteGuard | None
) -> Report:
    """Take the optimiser step of `turn` on the gradients of its player's weights; returns a report.

    weighted: the terms' values; they and the gradients are averaged over ranks first.
    """
    game, progress = context.game, context.progress
    player, optimiser = game.players[turn.player], game.optimisers[turn.player]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    shown = average_over_ranks(gradients, weighted)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if guard is not None:
        guard.record_step(turn.guarded, torch.cat([shown, norm[None]]))
    if player.max_gradient_norm is not None:
        clip_grads_with_norm_(weights, player.max_gradient_norm, norm)
    set_learning_rate(game, turn.player, progress)
    if not isinstance(progress, GraphScalars):
        set_numbers(game, turn.player, progress)
    optimiser.step()
    for constrain in player.constraints:
        for name in player.networks:
            constrain(game.networks.get_submodule(name))
    for controller in game.controllers.values():
        controller.observe(turn.player, context)
    report = dict(zip(turn.names, shown.unbind(), strict=True))
    if turn.when is always:  # a lazy turn's norm would distort the mean of the usual ones
        report[f"{turn.player}.gradient_norm"] = norm
    return report


def set_learning_rate(game: Game, name: str, progress: Progress | GraphScalars) -> None:
    """Set the learning rate of this player's optimiser to the present value of its schedule, if it has one."""
    player, optimiser = game.players[name], game.optimisers[name]
    if player.learning_rate is not None:
        for group in optimiser.param_groups:
            group["lr"] = value(player.learning_rate, progress)


def set_numbers(game: Game, name: str, progress: Progress) -> tuple[float, ...]:
    """Set the optimiser's other hyperparameters to the present values of their schedules, and return these values.

    torch reads them on the host: a recording is valid for one set of values, see `GraphedStep`.
    """
    present = {key: float(value(schedule, progress)) for key, schedule in game.players[name].schedules.items()}
    for group in game.optimisers[name].param_groups if present else ():
        group.update({key: now for key, now in present.items() if key in group})
        if "betas" in group:
            group["betas"] = tuple(present.get(f"beta{place}", beta) for place, beta in enumerate(group["betas"], 1))
    return tuple(present.values())
