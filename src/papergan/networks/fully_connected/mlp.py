"""Fully connected networks, as in the first GANs."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.activations import Activation, activation
from papergan.networks.layers.drawing import Dropout, MinibatchDiscrimination
from papergan.networks.layers.normalisation import Normalisation, normalised


class MLPGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1]: hidden layers of width, 2 and 4 times width; tanh."""

    def __init__(
        self,
        images: ImageSpec,
        latent_dim: int,
        width: int = 256,
        *,
        hidden: Activation = "leaky_relu",
        slope: float = 0.2,
        normalisation: Normalisation = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape = (images.channels, images.size, images.size)
        sizes = [latent_dim, width, 2 * width, 4 * width]
        self.layers = nn.Sequential(
            *_hidden(sizes, hidden, slope, normalisation, dropout),
            nn.Linear(sizes[-1], images.channels * images.size**2),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(latent).reshape(-1, *self.shape)
        return images


class MLPDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B], or [B, outputs] for several outputs; features are the last hidden layer's.

    Hidden layers of 2 times width and width. minibatch: minibatch discrimination before the last layer, with this many
    kernels.
    """

    def __init__(
        self,
        images: ImageSpec,
        width: int = 256,
        *,
        hidden: Activation = "leaky_relu",
        slope: float = 0.2,
        normalisation: Normalisation = "none",
        dropout: float = 0.0,
        minibatch: Literal["none", "l1", "l2"] = "none",
        kernels: int = 100,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        sizes = [images.channels * images.size**2, 2 * width, width]
        self.trunk = nn.Sequential(*_hidden(sizes, hidden, slope, normalisation, dropout))
        compared = MinibatchDiscrimination(width, kernels, distance=minibatch) if minibatch != "none" else None
        last = nn.Linear(width + (compared.kernels if compared else 0), outputs)
        head = normalised(last, "spectral" if normalisation == "spectral" else "none", outputs, maps=False)
        self.head = nn.Sequential(*([compared] if compared else []), *head)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk(images.flatten(1))
        scores: Tensor = self.head(features)
        return DiscriminatorOutput(scores.squeeze(1), (features,))


def _hidden(
    sizes: list[int], kind: Activation, slope: float, normalisation: Normalisation, dropout: float
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += normalised(nn.Linear(inputs, outputs), normalisation, outputs, maps=False)
        layers += [activation(kind, slope), *([Dropout(dropout)] if dropout else [])]
    return layers
