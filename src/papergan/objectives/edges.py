"""Edge losses between real and generated images (song2023)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from papergan.data.sobel import sobel
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class LiteralEdge(Term):
    """mean_B sum_pixels (G(z) - x)^2, the edge loss of song2023, eq. 3, taken literally.

    It contains no edges, and x is an arbitrary real image of the batch. It does not depend on the discriminator's
    weights: its gradient there is exactly zero, so it cannot slow the discriminator down, as section 3.3 says it does.
    It pulls the generator towards the mean image. With weight -1 it is the value that the discriminator, which
    maximises eq. 3, reports.
    """

    def __call__(self, context: StepContext) -> Tensor:
        return (context.fake(self.match) - context.real(self.match)).square().flatten(1).sum(1).mean()


@dataclass(frozen=True)
class SobelEdge(Term):
    """mean (S(G(z)) - S(x))^2, S the Sobel magnitude; for the generator.

    It follows song2023's description of eq. 3: the difference between edges of generated and real images. x is the real
    image at the same position in the batch.
    """

    def __call__(self, context: StepContext) -> Tensor:
        return (sobel(context.fake(self.match)) - sobel(context.real(self.match))).square().mean()
