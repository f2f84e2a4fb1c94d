"""An encoder from images to latents, and a discriminator of image-latent pairs: what ALI and BiGAN add to DCGAN."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput, EncoderOutput
from papergan.game.sharding import per_image
from papergan.networks.layers.blocks import eighth, normal_initialisation
from papergan.networks.layers.drawing import Dropout


class LatentEncoder(nn.Module, ABC):
    """The base class of encoders that invert a generator: images [B, C, S, S] -> features [B, F] -> latents [B, Z]."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer, [B, F]."""

    @abstractmethod
    def latents(self, features: Tensor) -> Tensor:
        """The latents, float32 [B, Z]; their mean if the encoder is stochastic."""

    def mean(self, images: Tensor) -> Tensor:
        """The latents of images; their mean if the encoder is stochastic."""
        return self.latents(self.features(images))

    def encode(self, images: Tensor) -> EncoderOutput:
        """Features and latents of images, see `Game.encoder`."""
        features = self.features(images)
        return EncoderOutput(features, self.latents(features))


class Encoder(LatentEncoder):
    """Images [B, C, S, S] -> latents [B, latent_dim]: three convolutions k4 s2 with BatchNorm, then linear.

    stochastic: z = mu + sigma * epsilon, epsilon ~ N(0, I), mu and sigma from the image; else z = mu.
    Source: Dumoulin et al. 2017 (ALI, arXiv:1606.00704), section 2.2; Donahue et al. 2017 (BiGAN, arXiv:1605.09782).
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 64, *, stochastic: bool = True) -> None:
        super().__init__()
        self.stochastic = stochastic
        self.layers = nn.Sequential(
            nn.Conv2d(images.channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            *_down(width, 2 * width),
            *_down(2 * width, 4 * width),
        )
        self.linear = nn.Linear(4 * width * eighth(images) ** 2, latent_dim * (2 if stochastic else 1))
        normal_initialisation(self)

    def features(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten(1)  # type: ignore[no-any-return]

    def latents(self, features: Tensor) -> Tensor:
        code = self.code(features)
        return code.chunk(2, dim=1)[0] if self.stochastic else code

    def code(self, features: Tensor) -> Tensor:
        """Output of the last layer: [B, latent_dim]; if stochastic, mean and log standard deviation, twice as long."""
        code: Tensor = self.linear(features).float()
        return code

    def forward(self, images: Tensor) -> Tensor:
        code = self.code(self.features(images))
        if not self.stochastic:
            return code
        mean, log_deviation = code.chunk(2, dim=1)
        noise = per_image(lambda n: torch.randn(n, mean.shape[1], device=mean.device), len(mean))
        return mean + log_deviation.exp() * noise


def _down(inputs: int, outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1, inplace=True)]


class PairDiscriminator(nn.Module):
    """Images [B, C, S, S] and latents [B, Z] -> logits [B]; features are the joint features, [B, 16 * width].

    Three convolutions k4 s2 for the images, two linear layers for the latents, then two linear layers for both;
    LeakyReLU(0.2) and dropout, no BatchNorm. Source: as `Encoder`; ALI's maxout layers are LeakyReLU here.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 64, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.of_images = nn.Sequential(
            *_convolution(images.channels, width, 0.0),
            *_convolution(width, 2 * width, dropout),
            *_convolution(2 * width, 4 * width, dropout),
        )
        self.of_latents = nn.Sequential(
            *_linear(latent_dim, 8 * width, dropout), *_linear(8 * width, 8 * width, dropout)
        )
        joint = 4 * width * eighth(images) ** 2 + 8 * width
        self.of_both = nn.Sequential(*_linear(joint, 16 * width, dropout), *_linear(16 * width, 16 * width, dropout))
        self.last = nn.Linear(16 * width, 1)
        normal_initialisation(self)

    def forward(self, images: Tensor, latents: Tensor) -> DiscriminatorOutput:
        together = [self.of_images(images).flatten(1), self.of_latents(latents)]
        features = self.of_both(torch.cat(together, dim=1))
        score: Tensor = self.last(features)
        return DiscriminatorOutput(score.squeeze(1), (features,))


def _convolution(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
    return [convolution, nn.LeakyReLU(0.2, inplace=True), *([Dropout(dropout)] if dropout else [])]


def _linear(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2, inplace=True), *([Dropout(dropout)] if dropout else [])]
