"""Notices what is not finite without making the host wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.errors import NotFiniteError


class FiniteWatch:
    """Remembers on the device the first move whose loss or gradient was NaN or infinite; read at reports and saves."""

    def __init__(self, device: torch.device) -> None:
        self._moves: list[tuple[int, str]] = []
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._first = torch.full((), -1, dtype=torch.int64, device=device)

    def observe(self, step: int, player: str, total: Tensor) -> None:
        """Look at one move. total: a scalar that is finite if, and only if, the loss and all gradients are."""
        found = ~torch.isfinite(total) & (self._first < 0)
        self._first = torch.where(found, self._count, self._first)
        self._count += 1
        self._moves.append((step, player))

    def check(self, latest: dict[str, float] | None = None) -> None:
        """Read the device. Raises NotFiniteError naming the first bad move since the last check, and the terms."""
        first = int(self._first)
        if first >= 0:
            step, player = self._moves[first]
            terms = ", ".join(f"{name}={value:.4g}" for name, value in (latest or {}).items())
            raise NotFiniteError(
                f"step {step}: the loss or the gradient of the {player} is not finite"
                + (f" (by the report: {terms})" if terms else "")
                + "; the last checkpoint is from before that step. Lower its learning rate or the weight of its terms"
            )
        self._moves.clear()
        self._count.zero_()
