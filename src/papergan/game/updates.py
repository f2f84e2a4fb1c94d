"""The order of the players' updates in a training step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from torch import Tensor

if TYPE_CHECKING:
    from papergan.game.game import Turn

Updates = Literal["alternating", "simultaneous"]
"""alternating: each turn sees the weights after the turn before it, and draws latents and dropout masks of its own.
simultaneous: all turns take gradients at the weights before the step, of the same latents, images and scores.
Both are named as in Mescheder et al. 2018 (arXiv:1801.04406), section 2.
"""


def check_simultaneous(turns: Sequence[Turn], weights: Mapping[str, Iterable[Tensor]]) -> None:
    """Raise ValueError where these turns cannot share one `StepContext`. weights: of the players, by name."""
    shared = {(turn.repeats, turn.fakes_per_real, turn.differentiated) for turn in turns}
    if len({turn.player for turn in turns}) < len(turns) or len(shared) > 1 or any(turn.repeats > 1 for turn in turns):
        raise ValueError(
            "simultaneous updates need one turn for each player, with repeats of 1, the same fakes_per_real, and "
            "penalties on the gradient in the same images (R1 of one player alone, for example, is impossible)"
        )
    owned = [id(weight) for mine in weights.values() for weight in mine]
    if len(set(owned)) < len(owned):
        raise ValueError("simultaneous updates need players that share no weights")
