"""The networks of InfoGAN on MNIST: a generator with latent codes, and a discriminator that recovers them.

Layers before BatchNorm are without the authors' biases, which BatchNorm would cancel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput, EncoderOutput
from papergan.networks.layers.blocks import normal_initialisation, smallest

SLOPE = 0.01  # of LeakyReLU


class InfoGANGenerator(nn.Module):
    """Latents [B, inputs], noise and codes, -> images [B, C, S, S] in [-1, 1].

    Two linear layers, to 16 * width and to 2 * width maps of a quarter of the side, then two transposed convolutions
    k4 s2; BatchNorm and ReLU after all but the last, whose output y becomes 2 sigmoid(y) - 1 = tanh(y / 2).
    Source: Chen et al. 2016 (arXiv:1606.03657), appendix C.1.
    """

    def __init__(self, images: ImageSpec, inputs: int, width: int = 64) -> None:
        super().__init__()
        side = smallest(images, 2)
        self.layers = nn.Sequential(
            nn.Linear(inputs, 16 * width, bias=False),
            nn.BatchNorm1d(16 * width),
            nn.ReLU(inplace=True),
            nn.Linear(16 * width, 2 * width * side**2, bias=False),
            nn.BatchNorm1d(2 * width * side**2),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (2 * width, side, side)),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, images.channels, 4, stride=2, padding=1),
        )
        _initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = torch.tanh(self.layers(latent) / 2.0)
        return images


class InfoGANDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B]; the last features are its estimate of the codes, [B, K + C].

    The first K of these are logits of the categorical code, the others means of the continuous codes. Two convolutions
    k4 s2 and a linear layer are shared by both outputs, the codes have one more linear layer; LeakyReLU(0.01), and
    BatchNorm except after the first. Images are rescaled to [0, 1]. Source: as `InfoGANGenerator`.
    """

    def __init__(self, images: ImageSpec, categories: int, continuous: int, width: int = 64) -> None:
        super().__init__()
        self.categories = categories
        self.trunk = nn.Sequential(
            nn.Conv2d(images.channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Flatten(),
            nn.Linear(2 * width * smallest(images, 2) ** 2, 16 * width, bias=False),
            nn.BatchNorm1d(16 * width),
            nn.LeakyReLU(SLOPE, inplace=True),
        )
        self.score = nn.Linear(16 * width, 1)
        self.codes = nn.Sequential(
            nn.Linear(16 * width, 2 * width, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Linear(2 * width, categories + continuous),
        )
        _initialise(self)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk((images + 1.0) / 2.0)
        score: Tensor = self.score(features)
        return DiscriminatorOutput(score.squeeze(1), (features, self.codes(features)))

    def encode(self, images: Tensor) -> EncoderOutput:
        """The shared features, [B, 16 * width], and the logits of the categorical code, [B, K]."""
        features, codes = self(images).features
        return EncoderOutput(features.float(), logits=codes[:, : self.categories].float())


def _initialise(network: nn.Module) -> None:
    """As `normal_initialisation`, for BatchNorm of vectors too; weights of convolutions truncated at two deviations."""
    normal_initialisation(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
