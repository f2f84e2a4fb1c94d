"""The fully connected networks of BiGAN on MNIST: generator, encoder, and a discriminator of images or of pairs.

Layers have no biases, BatchNorm has no gain and bias, and images are rescaled to [0, 1], as in the authors' code.
Source: Donahue et al. 2017 (arXiv:1605.09782), appendix, and the authors' code: net.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.convolutional.encoding import LatentEncoder

SLOPE = 0.2  # of LeakyReLU


class BiGANGenerator(nn.Module):
    """Latents [B, Z] -> images [B, C, S, S] in [-1, 1]: two hidden layers with BatchNorm and ReLU.

    The last layer's output y becomes 2 sigmoid(y) - 1 = tanh(y / 2).

    The second hidden layer also gets the latents, through weights of its own.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 1024) -> None:
        super().__init__()
        self.shape = (images.channels, images.size, images.size)
        self.first, self.second = _linear(latent_dim, width), _linear(width, width)
        self.again = _linear(latent_dim, width)
        self.norms = nn.ModuleList([_norm(width), _norm(width)])
        self.last = _linear(width, images.channels * images.size**2)

    def forward(self, latent: Tensor) -> Tensor:
        hidden = self.norms[0](self.first(latent)).relu()
        hidden = self.norms[1](self.second(hidden) + self.again(latent)).relu()
        images: Tensor = torch.tanh(self.last(hidden) / 2.0).reshape(-1, *self.shape)
        return images


class BiGANEncoder(LatentEncoder):
    """Images [B, C, S, S] -> latents [B, Z] in [-1, 1], 2 sigmoid(logits) - 1 = tanh(logits / 2).

    Two hidden layers with LeakyReLU(0.2), BatchNorm in the second.

    zero: the last layer is initialised to 0, as in the authors' code if the encoder is a regressor.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 1024, *, zero: bool = False) -> None:
        super().__init__()
        self.hidden = _Hidden(images, width)
        self.last = _linear(width, latent_dim, zero=zero)

    def features(self, images: Tensor) -> Tensor:
        return self.hidden(images)  # type: ignore[no-any-return]

    def latents(self, features: Tensor) -> Tensor:
        return torch.tanh(self.last(features).float() / 2.0)

    def logits(self, images: Tensor) -> Tensor:
        """Logits of (z + 1) / 2, float32 [B, Z]."""
        logits: Tensor = self.last(self.features(images))
        return logits.float()

    def forward(self, images: Tensor) -> Tensor:
        return self.mean(images)


class BiGANDiscriminator(nn.Module):
    """Images [B, C, S, S], and latents [B, Z] if latent_dim is given, -> logits [B]; the last layer starts at 0.

    The second hidden layer gets the latents, through weights of its own. Features are that layer's, [B, width].
    """

    def __init__(self, images: ImageSpec, latent_dim: int | None, width: int = 1024) -> None:
        super().__init__()
        self.hidden = _Hidden(images, width, latent_dim)
        self.last = _linear(width, 1, zero=True)

    def forward(self, images: Tensor, latents: Tensor | None = None) -> DiscriminatorOutput:
        features = self.hidden(images, latents)
        return DiscriminatorOutput(self.last(features).squeeze(1), (features,))


class _Hidden(nn.Module):
    """Images, and optionally latents, -> the second hidden layer, [B, width]."""

    def __init__(self, images: ImageSpec, width: int, latent_dim: int | None = None) -> None:
        super().__init__()
        self.first = _linear(images.channels * images.size**2, width)
        self.second, self.norm = _linear(width, width), _norm(width)
        self.of_latents = None if latent_dim is None else _linear(latent_dim, width)

    def forward(self, images: Tensor, latents: Tensor | None = None) -> Tensor:
        hidden = self.second(leaky_relu(self.first((images.flatten(1) + 1.0) / 2.0), SLOPE))
        if self.of_latents is not None:
            hidden = hidden + self.of_latents(latents)
        return leaky_relu(self.norm(hidden), SLOPE)


def _linear(inputs: int, outputs: int, *, zero: bool = False) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(layer.weight) if zero else nn.init.normal_(layer.weight, 0.0, 0.02)
    return layer


def _norm(width: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(width, eps=1e-8, affine=False)
