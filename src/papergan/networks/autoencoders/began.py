"""The convolutional autoencoder of BEGAN: two 3x3 convolutions per resolution, ELU, no normalisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.game.sharding import per_image
from papergan.networks.autoencoders.autoencoder import Autoencoder

SMALLEST = 8  # side of the last map

ActivationFactory = Callable[[], nn.Module]


class ELUEncoder(nn.Module):
    """Images [B, C, S, S] -> codes [B, code_dim].

    A convolution to n channels; at the i-th resolution one to i * n and one with stride 2 to (i + 1) * n, at the last,
    8x8, two to i * n without a stride; then linear. n is `width`.
    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), figure 1.
    """

    def __init__(self, images: ImageSpec, code_dim: int, width: int, activation: ActivationFactory = nn.ELU) -> None:
        super().__init__()
        levels = _levels(images)
        layers: list[nn.Module] = [nn.Conv2d(images.channels, width, 3, padding=1), activation()]
        inputs = width
        for level in range(1, levels + 1):
            last, outputs = level == levels, level * width
            following = outputs if last else (level + 1) * width
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), activation()]
            layers += [nn.Conv2d(outputs, following, 3, 1 if last else 2, padding=1), activation()]
            inputs = following
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * SMALLEST**2, code_dim))

    def forward(self, images: Tensor) -> Tensor:
        code: Tensor = self.layers(images)
        return code


class ELUDecoder(nn.Module):
    """Codes [B, code_dim] -> images [B, C, S, S], unbounded: the generator and the decoder of BEGAN.

    Linear to n channels at 8x8; two convolutions per resolution, doubled by nearest neighbours; a last convolution
    without an activation. Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), figure 1.
    """

    def __init__(self, images: ImageSpec, code_dim: int, width: int, activation: ActivationFactory = nn.ELU) -> None:
        super().__init__()
        levels = _levels(images)
        self.shape = (width, SMALLEST, SMALLEST)
        self.fc = nn.Linear(code_dim, width * SMALLEST**2)
        layers: list[nn.Module] = []
        for level in range(levels):
            layers += [nn.Upsample(scale_factor=2)] if level else []
            for _ in range(2):
                layers += [nn.Conv2d(width, width, 3, padding=1), activation()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, images.channels, 3, padding=1))

    def forward(self, code: Tensor) -> Tensor:
        images: Tensor = self.layers(self.fc(code).unflatten(1, self.shape))
        return images


class VariationalAutoencoder(Autoencoder):
    """An `Autoencoder` with its code drawn from N(mu, sigma^2); the encoder returns mu and log sigma^2, [B, 2 F].

    In evaluation mode the code is mu. features are (mu,); extras["divergence"] = mean_B KL(N(mu, sigma^2) | N(0, I)),
    1/2 sum_F (mu^2 + sigma^2 - 1 - log sigma^2).
    Source: zaika2025, section 2.2 (BEGAN v3); Kingma and Welling 2014 (arXiv:1312.6114), appendix B.
    """

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        code = mean
        if self.training:
            noise = per_image(lambda count: torch.randn(count, mean.shape[1], device=mean.device), len(mean))
            code = mean + (0.5 * log_variance).exp() * noise
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1).mean()
        return DiscriminatorOutput(self.score(images, code), (mean,), {"divergence": divergence})

    def encode(self, images: Tensor) -> Tensor:
        """Mean codes mu, [B, F]."""
        mean: Tensor = self.encoder(images).chunk(2, dim=1)[0]
        return mean


def _levels(images: ImageSpec) -> int:
    """The number of resolutions from S down to 8. Raises ValueError if S is not 8, 16, 32, ..."""
    levels = (images.size // SMALLEST).bit_length()
    if not levels or SMALLEST * 2 ** (levels - 1) != images.size:
        raise ValueError(f"this network needs an image size of 8 times a power of 2, got {images.size}")
    return levels
