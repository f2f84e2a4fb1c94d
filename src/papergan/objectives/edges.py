"""The Sobel operator, and edge losses between real and generated images (song2023)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from papergan.game.step_context import StepContext
from papergan.game.terms import Term

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def sobel(images: Tensor) -> Tensor:
    """sqrt(gx^2 + gy^2 + 1e-6) of the luminance, [B, C, S, S] -> [B, 1, S, S].

    gx, gy: the 3x3 Sobel operators divided by 4, so that a step from -1 to 1 is an edge of 2; borders are mirrored.
    C: 1 or 3. The constant keeps the root differentiable where nothing changes. Source: Sobel and Feldman 1968.
    """
    grey = images
    if images.shape[1] == 3:
        red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
        grey = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
    smooth = pad(grey, (1, 1, 1, 1), mode="reflect")
    across = smooth[:, :, :-2] + 2 * smooth[:, :, 1:-1] + smooth[:, :, 2:]  # [B, 1, S, S + 2]
    down = smooth[..., :-2] + 2 * smooth[..., 1:-1] + smooth[..., 2:]  # [B, 1, S + 2, S]
    gx = (across[..., 2:] - across[..., :-2]) / 4
    gy = (down[:, :, 2:] - down[:, :, :-2]) / 4
    return (gx.square() + gy.square() + 1e-6).sqrt()


@dataclass(frozen=True)
class LiteralEdge(Term):
    """mean_B sum_pixels (G(z) - x)^2, as song2023 has its edge loss, eq. 3.

    There are no edges in it, and x is any real image of the batch. It does not depend on the discriminator's weights:
    its gradient there is exactly zero, so it cannot slow the discriminator down, as section 3.3 says. The generator
    it pulls towards the mean image. With weight -1 it is what the discriminator, who maximises eq. 3, reports.
    """

    def __call__(self, context: StepContext) -> Tensor:
        return (context.fake(self.match) - context.real(self.match)).square().flatten(1).sum(1).mean()


@dataclass(frozen=True)
class SobelEdge(Term):
    """mean (S(G(z)) - S(x))^2, S the Sobel magnitude; for the generator.

    What song2023 says its eq. 3 does: the difference between edges of generated and real images. x is the real
    image at the same place of the batch.
    """

    def __call__(self, context: StepContext) -> Tensor:
        return (sobel(context.fake(self.match)) - sobel(context.real(self.match))).square().mean()
