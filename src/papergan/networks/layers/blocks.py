"""Building blocks shared by several networks: initialisation, self-attention, and the base class of discriminators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.spectral import spectral_norm

Module = TypeVar("Module", bound=nn.Module)


def normal_initialisation(network: Module) -> Module:
    """Weights of convolutions and linear layers ~ N(0, 0.02), of BatchNorm ~ N(1, 0.02), biases 0.

    Radford et al. 2015 (arXiv:1511.06434), section 4. Applied before spectral normalisation.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def orthogonal_initialisation(network: Module) -> Module:
    """Weights of convolutions and linear layers orthogonal, as matrices [outputs, rest], biases 0; BatchNorm unchanged.

    Saxe et al. 2014 (arXiv:1312.6120). Applied before spectral normalisation.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.orthogonal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def normalise_spectrally(network: Module, *, without: Collection[nn.Module] = ()) -> Module:
    """Apply spectral normalisation to every convolution and linear layer. without: layers that are left out."""
    left = {id(layer) for layer in without}
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    for layer in layers:
        if id(layer) not in left:
            spectral_norm(layer)
    return network


def set_batch_norm_epsilon(network: Module, epsilon: float) -> Module:
    """Set the constant that every BatchNorm adds to the variance; torch's default is 1e-5."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = epsilon
    return network


class SelfAttention(nn.Module):
    """out = x + gamma * o(softmax(theta(x)^T phi(x)) g(x)), gamma a scalar initialised to 0.

    x: [B, C, H, W], C a multiple of 8. 1x1 convolutions without bias: theta and phi to C/8, g to C/2, o back to C; phi
    and g are max-pooled by 2, as in the authors' code. Source: Zhang et al. 2019 (arXiv:1805.08318), eqs. 1 to 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels % 8:
            raise ValueError(f"self-attention needs a multiple of 8 channels, got {channels}")
        self.theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.o = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        queries = self.theta(x).flatten(2)  # [B, C/8, HW]
        keys = max_pool2d(self.phi(x), 2).flatten(2)  # [B, C/8, HW/4]
        values = max_pool2d(self.g(x), 2).flatten(2)  # [B, C/2, HW/4]
        share = torch.softmax(queries.transpose(1, 2) @ keys, dim=-1)  # [B, HW, HW/4], over keys
        mixed = (values @ share.transpose(1, 2).to(values.dtype)).reshape(batch, -1, height, width)
        attended: Tensor = x + self.gamma * self.o(mixed)
        return attended


class Discriminator(nn.Module, ABC):
    """The base class of discriminators: a trunk that ends in a feature map and a head that scores it.

    trunk: images [B, C, S, S] -> features [B, F, s, s], s smaller than S. head: features -> logits [B].
    """

    @abstractmethod
    def trunk(self, images: Tensor) -> Tensor:
        """The deepest feature map."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Logits [B]."""

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk(images)
        return DiscriminatorOutput(self.head(features), (features,))


class ConvolutionalDiscriminator(Discriminator):
    """A discriminator with convolutional `layers`, whose output is its features, then `linear` on flattened features.

    Scores are [B], or [B, outputs] if `linear` has several.
    """

    layers: nn.Module
    linear: nn.Module

    def trunk(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features.flatten(1))
        return logits.squeeze(1)


def eighth(images: ImageSpec) -> int:
    """The side of the smallest feature map, S/8. Raises ValueError if S is not a multiple of 8, at least 16."""
    return smallest(images, 3)


def smallest(images: ImageSpec, stages: int) -> int:
    """The side of the feature map after all halvings, S/2^stages; at least 2.

    Raises ValueError if S is not such a multiple.
    """
    factor = 1 << stages
    if images.size % factor or images.size < 2 * factor:
        raise ValueError(
            f"this network needs an image size that is a multiple of {factor}, at least {2 * factor}, got {images.size}"
        )
    return images.size // factor


def maybe(wanted: bool, make: Callable[[], nn.Module]) -> list[nn.Module]:
    """A layer as a list of one, or nothing: for building a Sequential."""
    return [make()] if wanted else []
