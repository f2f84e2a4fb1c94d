"""What a discriminator is shown of a contest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from papergan.game.game import Match
    from papergan.game.round import Round


class View(Protocol):
    """The discriminator's arguments on each side; hashable, since verdicts are remembered by match."""

    def real(self, round: Round, match: Match) -> tuple[Tensor, ...]: ...

    def fake(self, round: Round, match: Match) -> tuple[Tensor, ...]: ...


class ImagesOnly:
    """The augmented images and nothing else."""

    def real(self, round: Round, match: Match) -> tuple[Tensor, ...]:
        return (round.shown_real(match),)

    def fake(self, round: Round, match: Match) -> tuple[Tensor, ...]:
        return (round.shown_fake(match),)


images_only = ImagesOnly()
