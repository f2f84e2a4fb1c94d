"""The fully connected networks of PacGAN for points of the plane: a generator and a maxout discriminator."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.fully_connected.maxout import Maxout


class PointGenerator(nn.Module):
    """Latent [B, latent_dim] -> points as images [B, C, S, S], unbounded.

    Four hidden layers with BatchNorm, of momentum 0.05, and ReLU; a linear layer at the end.
    Weights N(0, 0.02). Source: the code of Lin et al. 2018 (PacGAN, arXiv:1712.04086).
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int) -> None:
        super().__init__()
        self.shape = (images.channels, images.size, images.size)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([latent_dim, *[width] * 4]):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs, eps=1e-4, momentum=0.05)]
            layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers, nn.Linear(width, images.channels * images.size**2))
        _initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        points: Tensor = self.layers(latent)
        return points.reshape(-1, *self.shape)


class PointDiscriminator(nn.Module):
    """Points as images [B, C, S, S] -> logits [B]: three maxout layers and a linear head; features are its input.

    Weights N(0, 0.02). Source: as PointGenerator.
    """

    def __init__(self, images: ImageSpec, width: int, pieces: int) -> None:
        super().__init__()
        sizes = [images.channels * images.size**2, *[width] * 3]
        self.trunk = nn.Sequential(*(Maxout(inputs, outputs, pieces) for inputs, outputs in pairwise(sizes)))
        self.head = nn.Linear(width, 1)
        _initialise(self)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk(images.flatten(1))
        score: Tensor = self.head(features)
        return DiscriminatorOutput(score.squeeze(1), (features,))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
