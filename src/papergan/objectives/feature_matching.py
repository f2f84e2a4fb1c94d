"""Feature matching: the distance between mean features of real and generated images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from papergan.game.sharding import batch_mean
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class FeatureMatching(Term):
    """mean_d |mean_B f(x)_d - mean_B f(G(z))_d|, f the discriminator's deepest features, flattened; for the generator.

    The L1 form of Salimans et al. 2016 (arXiv:1606.03498), section 3.1, whose text has the squared L2 norm. The real
    side is a constant for the generator.
    """

    def __call__(self, context: StepContext) -> Tensor:
        real = batch_mean(context.discriminated_real(self.match).features[-1].float())
        fake = batch_mean(context.discriminated_fake(self.match).features[-1].float())
        return (real.detach() - fake).abs().mean()
