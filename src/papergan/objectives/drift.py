"""The drift penalty, which keeps a critic's scores near zero."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class Drift(Term):
    """mean_B f(x)^2 at real images x; weight is epsilon. Nothing else fixes the level of a Wasserstein critic's scores.

    Source: Karras et al. 2018 (arXiv:1710.10196), appendix A.1, epsilon 0.001.
    """

    def __call__(self, context: StepContext) -> Tensor:
        return context.discriminated_real(self.match).score.square().mean()
