"""Inputs of a discriminator: images alone, pairs of image and latent, images with classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from papergan.game.priors import one_hot

if TYPE_CHECKING:
    from papergan.game.game import Match
    from papergan.game.step_context import StepContext


class DiscriminatorInput(Protocol):
    """The discriminator's arguments for each side; hashable, since its outputs are cached by match."""

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]: ...

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]: ...


class ImagesOnly:
    """Augmented images alone, [B, C, S, S]."""

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return (context.augmented_real(match),)

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return (context.augmented_fake(match),)


images_only = ImagesOnly()


@dataclass(frozen=True)
class Pairs:
    """Pairs of image and latent: (x, E(x)) on the real side, (G(z), z) on the generated side.

    encoder: the network that encodes. Source: Dumoulin et al. 2017, arXiv:1606.00704, eq. 1.
    """

    encoder: str = "encoder"

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        shown = context.augmented_real(match)
        return shown, context.cached(
            "encoded", self.encoder, match.real, compute=lambda: context.network(self.encoder)(shown)
        )

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.augmented_fake(match), context.latent(match)[0]


@dataclass(frozen=True)
class Labelled:
    """Images with one-hot classes [B, K]: those of the data, and those that the prior drew.

    The prior's draw is (latent, classes). Source: Mirza and Osindero 2014, arXiv:1411.1784, eq. 2.
    """

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        classes = context.latent(match)[1].shape[1]
        return context.augmented_real(match), one_hot(context.batch["label"], classes)

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.augmented_fake(match), context.latent(match)[1]
