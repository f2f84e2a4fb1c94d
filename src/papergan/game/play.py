"""The verb: one iteration of a game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from papergan.game.finite import FiniteWatch
from papergan.game.game import Game, Turn, always
from papergan.game.knobs import Progress
from papergan.game.round import Round

Batch = Mapping[str, Tensor]


def play(
    game: Game,
    batches: Sequence[Batch],
    progress: Progress,
    watch: FiniteWatch | None = None,
    autocast: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Play every turn once, or `repeats` times. Returns each term's weighted value and each player's gradient norm.

    batches: `game.batches_per_step` real batches; the r-th repeat of every turn sees the r-th.
    watch: told of every move, so that what is not finite is noticed without reading the device now.
    autocast: the precision of networks, for example torch.bfloat16; penalties and scores stay in float32.
    Returns scalars on the device, by "player.term"; nothing is synchronised.
    """
    report: dict[str, Tensor] = {}
    for turn in game.turns:
        if turn.when(progress):
            for batch in batches[: turn.repeats]:
                report |= _move(game, turn, batch, progress, watch, autocast)
    if game.average is not None:
        game.average.update(progress)
    return report


def _move(
    game: Game,
    turn: Turn,
    batch: Batch,
    progress: Progress,
    watch: FiniteWatch | None,
    autocast: torch.dtype | None,
) -> dict[str, Tensor]:
    player, optimiser = game.players[turn.player], game.optimisers[turn.player]
    round = Round(game, turn, batch, progress)
    with game.learning(player.networks):
        lowered = autocast is not None and not turn.differentiates_inputs
        with torch.autocast(game.device.type, dtype=autocast, enabled=lowered):
            terms = zip(turn.names, turn.objective, strict=True)
            values = {name: round.value(term.weight) * term(round) for name, term in terms}
        weighted = torch.stack(list(values.values()))
        loss = weighted.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    gradients = [w.grad for group in optimiser.param_groups for w in group["params"] if w.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if watch is not None:
        names = (*turn.names, f"{turn.player}.gradient_norm")
        watch.observe(progress.step, turn.player, names, torch.cat([weighted.detach(), norm[None]]))
    if player.learning_rate is not None:
        for group in optimiser.param_groups:
            group["lr"] = round.value(player.learning_rate)
    optimiser.step()
    for constrain in player.constraints:
        for name in player.networks:
            constrain(game.networks[name])
    for controller in game.controllers.values():
        controller.observe(turn.player, round)
    report = {name: value.detach() for name, value in values.items()}
    if turn.when is always:  # a lazy turn's norm would distort the mean of the usual ones
        report[f"{turn.player}.gradient_norm"] = norm
    return report
