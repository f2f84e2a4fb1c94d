"""The networks of DCGAN: three stages at 32x32, four at 64x64 as in its paper."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import (
    ConvolutionalDiscriminator,
    maybe,
    normal_initialisation,
    normalise_spectrally,
    smallest,
)
from papergan.networks.layers.drawing import Dropout, MinibatchDiscrimination
from papergan.networks.layers.normalisation import MapNormalisation, norm_of_maps
from papergan.networks.layers.upsampling import Upsampling, upsampling


class DCGANGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1].

    A transposed convolution from 1x1 to S/2^stages, then one upsampling per stage, channels halved each time down to
    width before the last; normalisation and ReLU except for the last, which has tanh. up: how a stage doubles the
    resolution. dropout: of whole maps, after every stage but the last.
    Source: Radford et al. 2015 (arXiv:1511.06434), section 3.
    """

    def __init__(
        self,
        images: ImageSpec,
        latent_dim: int,
        width: int = 128,
        *,
        stages: int = 3,
        normalisation: MapNormalisation = "batch",
        up: Upsampling = "transposed",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = [width * 2**stage for stage in reversed(range(stages))]

        def after(outputs: int) -> list[nn.Module]:
            return [
                *norm_of_maps(normalisation, outputs),
                nn.ReLU(inplace=True),
                *maybe(dropout > 0, lambda: Dropout(dropout, whole_maps=True)),
            ]

        bias = normalisation == "none"
        first = nn.ConvTranspose2d(latent_dim, channels[0], smallest(images, stages), bias=bias)
        layers: list[nn.Module] = [first, *after(channels[0])]
        for inputs, outputs in pairwise(channels):
            layers += [upsampling(up, inputs, outputs, bias=bias), *after(outputs)]
        self.layers = nn.Sequential(*layers, upsampling(up, width, images.channels, bias=True), nn.Tanh())
        normal_initialisation(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(latent[:, :, None, None])
        return images


class DCGANDiscriminator(ConvolutionalDiscriminator):
    """Images [B, C, S, S] -> logits [B]; features are the last map, of side S/2^stages and width 2^(stages - 1) maps.

    Convolutions k4 s2, LeakyReLU(0.2), then linear. normalisation: of all but the first, as in the paper; a critic with
    a gradient penalty must not have BatchNorm (Gulrajani et al. 2017, section 4). spectral: spectral normalisation of
    all weights, without biases and other normalisation. minibatch: minibatch discrimination before the last layer.
    outputs: scores are [B, outputs] if there are several.
    """

    def __init__(
        self,
        images: ImageSpec,
        width: int = 128,
        *,
        stages: int = 3,
        normalisation: MapNormalisation = "batch",
        spectral: bool = False,
        minibatch: bool = False,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        channels = [images.channels, *(width * 2**stage for stage in range(stages))]
        layers: list[nn.Module] = []
        for place, (inputs, maps) in enumerate(pairwise(channels)):
            kind = normalisation if place > 0 and not spectral else "none"
            convolution = nn.Conv2d(inputs, maps, 4, stride=2, padding=1, bias=kind == "none" and not spectral)
            layers += [convolution, *norm_of_maps(kind, maps), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        features = channels[-1] * smallest(images, stages) ** 2
        compared = MinibatchDiscrimination(features) if minibatch else None
        self.compare: nn.Module = compared or nn.Identity()
        features += compared.kernels if compared else 0
        self.linear = nn.Linear(features, outputs, bias=not spectral)
        normal_initialisation(self)
        if spectral:
            normalise_spectrally(self)

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.compare(features.flatten(1)))
        return logits.squeeze(1)
