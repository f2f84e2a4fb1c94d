"""The networks of DCGAN, at 32x32 with three stages (any size that is a multiple of 8)."""

from __future__ import annotations

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.networks.blocks import Discriminator, eighth, normal_initialisation


class DCGANGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1].

    Transposed convolutions: one from 1x1 to S/8, then three k4 s2, channels 4, 2, 1 times width; BatchNorm and ReLU
    but for the last, which has tanh. Source: Radford et al. 2015 (arXiv:1511.06434), section 3, one stage fewer.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(latent_dim, 4 * width, eighth(images), bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),
            *_up(4 * width, 2 * width),
            *_up(2 * width, width),
            nn.ConvTranspose2d(width, images.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        normal_initialisation(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(latent[:, :, None, None])
        return images


class DCGANDiscriminator(Discriminator):
    """Images [B, C, S, S] -> logits [B]; features are the last map, [B, 4 * width, S/8, S/8].

    Three convolutions k4 s2, LeakyReLU(0.2), then linear. batch_norm: on the second and third, as in the paper; a
    critic with a gradient penalty must go without (Gulrajani et al. 2017, section 4).
    """

    def __init__(self, images: ImageSpec, width: int = 128, *, batch_norm: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_down(images.channels, width, batch_norm=False),
            *_down(width, 2 * width, batch_norm=batch_norm),
            *_down(2 * width, 4 * width, batch_norm=batch_norm),
        )
        self.linear = nn.Linear(4 * width * eighth(images) ** 2, 1)
        normal_initialisation(self)

    def trunk(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features.flatten(1))
        return logits.squeeze(1)


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _down(inputs: int, outputs: int, *, batch_norm: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not batch_norm)
    norm: list[nn.Module] = [nn.BatchNorm2d(outputs)] if batch_norm else []
    return [convolution, *norm, nn.LeakyReLU(0.2, inplace=True)]
