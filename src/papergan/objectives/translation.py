"""Terms for image translation: distances of pairs and of their features, cycle consistency, and identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from papergan.game.step_context import StepContext
from papergan.game.terms import Term

Distance = Literal["l1", "l2"]


def distance(first: Tensor, second: Tensor, kind: Distance) -> Tensor:
    """Mean |a - b|, or mean (a - b)^2, over all elements, in float32."""
    difference = first.float() - second.float()
    return difference.abs().mean() if kind == "l1" else difference.square().mean()


@dataclass(frozen=True)
class PairDistance(Term):
    """mean |G(x) - y|, or its square, y the image paired with the input x.

    Source: Isola et al. 2017 (arXiv:1611.07004), eq. 3; Ledig et al. 2017 (arXiv:1609.04802), eq. 4.
    """

    kind: Distance = "l1"

    def __call__(self, context: StepContext) -> Tensor:
        return distance(context.fake(self.match), context.batch[self.match.real], self.kind)


@dataclass(frozen=True)
class CycleConsistency(Term):
    """mean |F(G(x)) - x|: x is translated, and translated back by the network `back`.

    Source: Zhu et al. 2017 (arXiv:1703.10593), eq. 2, one of its two halves.
    """

    back: str

    def __call__(self, context: StepContext) -> Tensor:
        returned = context.network(self.back)(context.fake(self.match))
        return distance(returned, context.latent(self.match)[0], "l1")


@dataclass(frozen=True)
class IdentityMapping(Term):
    """mean |G(y) - y|: images that are already in the target domain should stay as they are.

    Source: Zhu et al. 2017 (arXiv:1703.10593), section 5.2.
    """

    def __call__(self, context: StepContext) -> Tensor:
        real = context.batch[self.match.real]
        return distance(context.network(self.match.generator)(real), real, "l1")


@dataclass(frozen=True)
class PairFeatureDistance(Term):
    """mean over layers of mean |f(G(x)) - f(y)|, f the discriminator's features, y the image paired with x.

    Source: Larsen et al. 2016 (arXiv:1512.09300), eq. 7, as an L1 distance over all layers, as in Wang et al. 2018
    (arXiv:1711.11585), eq. 4. The side of y is a constant.
    """

    def __call__(self, context: StepContext) -> Tensor:
        real = context.discriminated_real(self.match).features
        fake = context.discriminated_fake(self.match).features
        parts = [distance(made, given.detach(), "l1") for made, given in zip(fake, real, strict=True)]
        return sum(parts[1:], parts[0]) / len(parts)
