"""Inputs of a discriminator: images alone, pairs of image and latent, images with classes, packs of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor

from papergan.game.priors import one_hot

if TYPE_CHECKING:
    from papergan.game.game import Match
    from papergan.game.step_context import StepContext


class DiscriminatorInput(Protocol):
    """The discriminator's arguments for each side; hashable, since its outputs are cached by match.

    images_per_score: how many images of the batch share one score.
    """

    @property
    def images_per_score(self) -> int: ...

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]: ...

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]: ...


class RealSource(Protocol):
    """Images [B, C, S, S] in [-1, 1], float32, and their classes, int64 [B], that replace those of a batch of B."""

    def images(self, context: StepContext) -> Tensor: ...

    def labels(self, context: StepContext) -> Tensor: ...


class ImagesOnly:
    """Augmented images alone, [B, C, S, S]."""

    images_per_score = 1

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

    images_per_score: ClassVar[int] = 1

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
    """Images with one-hot classes [B, K]: those of the real images, and those drawn by the prior.

    The prior draws (latent, classes). Source: Mirza and Osindero 2014, arXiv:1411.1784, eq. 2.
    """

    images_per_score: ClassVar[int] = 1

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        classes = context.latent(match)[1].shape[1]
        return context.augmented_real(match), one_hot(context.labels(match), classes)

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.augmented_fake(match), context.latent(match)[1]


@dataclass(frozen=True)
class WithInput:
    """Images with the input that belongs to them: (y, x) on the real side, (G(x), x) on the generated side."""

    images_per_score: ClassVar[int] = 1

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.augmented_real(match), context.latent(match)[0]

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.augmented_fake(match), context.latent(match)[0]


@dataclass(frozen=True)
class Packed:
    """Groups of images that get one score together, concatenated along the channels: [B, C, ...] -> [B/m, m C, ...].

    Classes or latents that belong to the images are concatenated too. The discriminator is one for
    `ImageSpec.packed(m)`. A step of B real images has B/m scores. Source: Lin et al. 2018, arXiv:1712.04086, section 2.
    """

    images_per_score: int
    inputs: DiscriminatorInput = images_only

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return self._packed(self.inputs.real(context, match))

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return self._packed(self.inputs.fake(context, match))

    def _packed(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        count = self.images_per_score
        if len(parts[0]) % count:
            raise ValueError(f"a batch of {len(parts[0])} images cannot be divided into packs of {count}")
        return tuple(part.reshape(-1, count * part.shape[1], *part.shape[2:]) for part in parts)


def packed(count: int, inputs: DiscriminatorInput | None = None) -> DiscriminatorInput | None:
    """The input of a discriminator that sees `count` images at once; for one image, `inputs` unchanged."""
    return inputs if count == 1 else Packed(count, inputs or images_only)
