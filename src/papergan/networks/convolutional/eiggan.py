"""A generator with spatial attention and parallel residual paths, the components named in EIGGAN's abstract."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import eighth, normal_initialisation


class SpatialAttention(nn.Module):
    """x * sigmoid(conv7([max over channels, mean over channels])), [B, C, H, W].

    Source: Woo et al. 2018 (CBAM, arXiv:1807.06521), eq. 5.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)
        attended: Tensor = x * torch.sigmoid(self.convolution(pooled))
        return attended


class ParallelUp(nn.Module):
    """Doubles the resolution by the sum of two paths: a transposed convolution k4 s2, and nearest x2 with a 1x1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.transposed = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.residual = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        enlarged: Tensor = self.norm(self.transposed(x) + self.residual(interpolate(x, scale_factor=2))).relu()
        return enlarged


class EIGGANGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1]: DCGAN with parallel paths, and attention at S/2."""

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(latent_dim, 4 * width, eighth(images), bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),
            ParallelUp(4 * width, 2 * width),
            ParallelUp(2 * width, width),
            SpatialAttention(),
            nn.ConvTranspose2d(width, images.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        normal_initialisation(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(latent[:, :, None, None])
        return images
