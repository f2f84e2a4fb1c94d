"""Interpolation between latents: as the prior defines it, spherical or linear."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.game.priors import Prior, linear, slerp
from papergan.messages import quoted

MODES = ("prior", "slerp", "linear")


def latents_between(prior: nn.Module, start: Tensor, end: Tensor, *, steps: int, mode: str) -> Tensor:
    """`steps` latents from each row of `start` to that of `end`, [N, Z] each, both included: float32 [N * steps, Z].

    mode: "slerp", "linear", or "prior", as the prior defines it. Raises RecipeError for another mode, fewer than two
    steps, and different numbers of starts and ends.
    """
    if mode not in MODES:
        raise RecipeError(f"interpolate: expected mode {', '.join(MODES)}, got {quoted(mode)}")
    if len(start) != len(end) or steps < 2:
        raise RecipeError(
            f"interpolate: expected as many ends as starts and 2 steps or more, got {len(start)}, {len(end)} and "
            f"{steps}"
        )
    position = torch.linspace(0, 1, steps).repeat(len(start))
    first, last = start.repeat_interleave(steps, 0), end.repeat_interleave(steps, 0)
    line = slerp if mode == "slerp" else linear
    if not isinstance(prior, Prior):
        return line(first, last, position)
    return prior.between(first, last, position) if mode == "prior" else prior.between_by(line, first, last, position)
