"""The cross-entropy of classes that a discriminator predicts: AC-GAN's class loss, one term for each side."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class RealClassLoss(Term):
    """E[-log P(C = c | x_real)], c the class of the real image: at least 0, log K for a guess. The first half of -L_C.

    The discriminator's last features are the logits of the class, [B, K]. Constant for a generator.
    Source: Odena et al. 2017 (AC-GAN, arXiv:1610.09585), eq. 3.
    """

    def __call__(self, context: StepContext) -> Tensor:
        read = context.discriminated_real(self.match).features[-1].float()
        return cross_entropy(read, context.labels(self.match))


@dataclass(frozen=True)
class FakeClassLoss(Term):
    """E[-log P(C = c | x_fake)], c the requested class: at least 0, log K for a guess. The second half of -L_C.

    The discriminator's last features are the logits of the class, [B, K], and the prior's draw is (latent, one-hot
    classes). Source: as `RealClassLoss`.
    """

    def __call__(self, context: StepContext) -> Tensor:
        read = context.discriminated_fake(self.match).features[-1].float()
        return cross_entropy(read, context.latent(self.match)[1].argmax(1))
