"""The convolutional networks of the spectral-normalisation paper, with optional self-attention at half resolution."""

from __future__ import annotations

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import (
    ConvolutionalDiscriminator,
    SelfAttention,
    eighth,
    maybe,
    normal_initialisation,
    normalise_spectrally,
)


class SNDCGANGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1].

    Linear to 8 * width channels at S/8, then three transposed convolutions k4 s2 halving the channels, each with
    BatchNorm and ReLU, and a convolution k3 with tanh. Source: Miyato et al. 2018 (arXiv:1802.05957), table 3a, and
    pfnet-research/chainer-gan-lib, which has BatchNorm and ReLU after the linear layer too, as here.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 64, *, attention: bool = False) -> None:
        super().__init__()
        self.shape = (8 * width, eighth(images), eighth(images))
        self.project = nn.Linear(latent_dim, 8 * width * eighth(images) ** 2, bias=False)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(8 * width),
            nn.ReLU(inplace=True),
            *_up(8 * width, 4 * width),
            *_up(4 * width, 2 * width),
            *maybe(attention, lambda: SelfAttention(2 * width)),
            *_up(2 * width, width),
            nn.Conv2d(width, images.channels, 3, padding=1),
            nn.Tanh(),
        )
        normal_initialisation(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(self.project(latent).unflatten(1, self.shape))
        return images


class SNDCGANDiscriminator(ConvolutionalDiscriminator):
    """Images [B, C, S, S] -> logits [B]; features are the last map, [B, 8 * width, S/8, S/8].

    Seven convolutions, k3 s1 and k4 s2 in turn, LeakyReLU(0.1), then linear. spectral: normalise all layers; without
    it there is no normalisation at all. Source: Miyato et al. 2018 (arXiv:1802.05957), table 3b, with the widths of
    pfnet-research/chainer-gan-lib: channels double in the convolutions k4 s2; in the table, in those k3 s1 that follow.
    """

    def __init__(self, images: ImageSpec, width: int = 64, *, attention: bool = False, spectral: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(images.channels, width, 3),
            *_convolution(width, 2 * width, 4),
            *_convolution(2 * width, 2 * width, 3),
            *maybe(attention, lambda: SelfAttention(2 * width)),
            *_convolution(2 * width, 4 * width, 4),
            *_convolution(4 * width, 4 * width, 3),
            *_convolution(4 * width, 8 * width, 4),
            *_convolution(8 * width, 8 * width, 3),
        )
        self.linear = nn.Linear(8 * width * eighth(images) ** 2, 1)
        normal_initialisation(self)
        if spectral:
            normalise_spectrally(self)


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    stride = 2 if kernel == 4 else 1
    return [nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1), nn.LeakyReLU(0.1, inplace=True)]
