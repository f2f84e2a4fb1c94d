"""Detection of NaN and infinity in losses, gradients and weights, without synchronising with the device."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from papergan.errors import NotFiniteError

if TYPE_CHECKING:
    from papergan.game.game import Turn

logger = logging.getLogger(__name__)

ADVICE = "Checkpoints are from before that. Lower the learning rate or the weight of that term"


class NonFiniteGuard:
    """Records on the device the first optimiser step whose loss or gradient was NaN or infinite.

    `check` reads the record, at reports and saves. `register_steps` runs on the host, `record_step` on the device; it
    works in place, so it can be part of a CUDA graph.
    """

    def __init__(self, device: torch.device) -> None:
        self._pending_steps: list[tuple[int, str, tuple[str, ...]]] = []
        self._values: dict[tuple[str, ...], Tensor] = {}  # of the first bad step, or of some step before there is one
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._first = torch.full((), -1, dtype=torch.int64, device=device)

    def register_steps(self, step: int, turns: Sequence[Turn]) -> None:
        """Register the optimiser steps of training step `step`, in order, before they are taken."""
        for turn in turns:
            self._pending_steps += [(step, turn.player, turn.guarded)] * turn.repeats

    def record_step(self, names: tuple[str, ...], values: Tensor) -> None:
        """Check the next optimiser step. names, values [len(names)]: its weighted terms and its gradient norm."""
        found = ~torch.isfinite(values.sum()) & (self._first < 0)
        self._first.copy_(torch.where(found, self._count, self._first))
        if names not in self._values:
            self._values[names] = values.clone()
        kept = self._values[names]
        kept.copy_(torch.where(found, values, kept))
        self._count += 1

    def tensors(self) -> list[Tensor]:
        """The tensors of the guard's state, all on the device."""
        return [self._count, self._first, *self._values.values()]

    def check(self) -> None:
        """Read the record. Raises NotFiniteError naming the first bad step since the last check, and its values."""
        first = int(self._first)
        if first >= 0:
            step, player, names = self._pending_steps[first]
            shown = zip(names, self._values[names].tolist(), strict=True)
            terms = ", ".join(f"{name.removeprefix(f'{player}.')}={value:.4g}" for name, value in shown)
            raise NotFiniteError(f"step {step}, {player}: {terms}. {ADVICE}")
        self._pending_steps.clear()
        self._count.zero_()


def check_finite(step: int, state: Mapping[str, Any]) -> None:
    """Raise NotFiniteError naming an entry of a game's state that is NaN or infinite after `step` steps.

    A finite loss does not imply finite weights: an update may overflow, and the next loss comes after the save.
    Synchronises with the device once.
    """
    entries = list(_numbers("", state))
    names, tensors = [name for name, _ in entries], [tensor for _, tensor in entries]
    if not tensors or bool((finite := torch.stack(_are_finite(tensors))).all()):
        return
    bad = names[int((~finite).nonzero()[0])]
    raise NotFiniteError(f"step {step}: {bad} is not finite. {ADVICE}")


def finite_only(metrics: Mapping[str, float], what: str) -> dict[str, float]:
    """The finite metrics; the others are left out, with a warning that names them."""
    missing = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    if missing:
        logger.warning("%s: %s not finite, so left out", what, ", ".join(missing))
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _numbers(place: str, state: Any) -> Iterator[tuple[str, Tensor]]:
    """Every floating-point tensor and number in the nested `state`, with its path."""
    if isinstance(state, Mapping):
        for name, value in state.items():
            yield from _numbers(f"{place}.{name}" if place else str(name), value)
    elif isinstance(state, Tensor):
        if state.is_floating_point() and state.numel():
            yield place, state
    elif isinstance(state, float):
        yield place, torch.tensor(state)


def _are_finite(tensors: list[Tensor]) -> list[Tensor]:
    """One boolean scalar per tensor, on the first one's device: the maximum norm is finite if and only if all are."""
    device = tensors[0].device
    return [torch.isfinite(norm).to(device) for norm in torch._foreach_norm(tensors, torch.inf)]
