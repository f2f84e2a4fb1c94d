"""A discriminator that gets the edges of the image as an additional channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.data.sobel import sobel
from papergan.game.game import DiscriminatorOutput


class EdgeAware(nn.Module):
    """Wraps a discriminator of C + 1 channels: its input is the image and its Sobel magnitude, [B, C + 1, S, S].

    Not part of song2023, whose edge loss has no gradient for the discriminator: this discriminator can use edges.
    """

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminate = discriminator

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        verdict: DiscriminatorOutput = self.discriminate(torch.cat([images, sobel(images)], dim=1))
        return verdict
