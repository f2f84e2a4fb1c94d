"""Fully connected networks with sigmoid outputs and codes, as in the first generative networks on MNIST."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.game.sharding import per_image
from papergan.networks.layers.blocks import Module


def unit_vectors(images: Tensor) -> Tensor:
    """Images [B, C, S, S] in [-1, 1] -> pixels [B, C * S * S] in 0..1, the scale of the first papers' measurements."""
    return images.flatten(1).add(1.0).mul(0.5)


def sigmoid_images(logits: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Logits [B, D] -> images [B, *shape] in [-1, 1]: 2 sigmoid(l) - 1 = tanh(l / 2), which loses no digits near 0."""
    return torch.tanh(logits * 0.5).reshape(-1, *shape)


class SigmoidImages(nn.Module):
    """Features [B, inputs] -> images [B, C, S, S]: a linear layer and a sigmoid, mapped from 0..1 to [-1, 1]."""

    def __init__(self, inputs: int, images: ImageSpec) -> None:
        super().__init__()
        self.shape = (images.channels, images.size, images.size)
        self.linear = nn.Linear(inputs, images.channels * images.size**2)

    def forward(self, features: Tensor) -> Tensor:
        return sigmoid_images(self.linear(features), self.shape)


def rectified(sizes: Sequence[int]) -> list[nn.Module]:
    """Linear layers from each size to the next, each followed by ReLU."""
    return [layer for inputs, outputs in pairwise(sizes) for layer in (nn.Linear(inputs, outputs), nn.ReLU())]


def fan_in_initialisation(network: Module) -> Module:
    """Weights of linear layers N(0, 1 / inputs), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 1.0 / math.sqrt(module.in_features))
            nn.init.zeros_(module.bias)
    return network


class PixelVectors(nn.Module):
    """A discriminator without weights: the score of an image is the vector of its pixels, [B, C * S * S] in 0..1."""

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(unit_vectors(images))


class SigmoidEncoder(nn.Module):
    """An encoder as a discriminator: the score of an image is its code, [B, widths[-1]] in 0..1; sigmoid layers.

    dropout: the share of each layer's input that is dropped, only while the autoencoder is trained, and never with any
    rescaling.
    """

    def __init__(self, images: ImageSpec, widths: Sequence[int], dropout: Sequence[float]) -> None:
        super().__init__()
        if len(widths) != len(dropout):
            raise ValueError(f"each layer of the encoder has a dropout: {len(widths)} widths, {len(dropout)} shares")
        sizes = [images.channels * images.size**2, *widths]
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        self.dropout = tuple(dropout)
        fan_in_initialisation(self)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.up_to(len(self.layers), unit_vectors(images)))

    def up_to(self, layer: int, vectors: Tensor) -> Tensor:
        """The input of this layer for pixels [B, D] in 0..1, without dropout; the code for one past the last layer."""
        for one in self.layers[:layer]:
            vectors = one(vectors).sigmoid()
        return vectors

    def noisy(self, layer: int, inputs: Tensor) -> Tensor:
        """The output of this layer with dropout on its inputs."""
        size, share = inputs.shape[1], self.dropout[layer]
        kept = per_image(lambda n: torch.rand(n, size, device=inputs.device), len(inputs)) >= share
        output: Tensor = self.layers[layer](inputs * kept).sigmoid()
        return output


class SigmoidDecoder(nn.Module):
    """Codes [B, widths[-1]] -> images [B, C, S, S] in [-1, 1]: the encoder's sizes in reverse, sigmoid layers."""

    def __init__(self, images: ImageSpec, widths: Sequence[int]) -> None:
        super().__init__()
        self.shape = (images.channels, images.size, images.size)
        sizes = [*reversed(widths), images.channels * images.size**2]
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        fan_in_initialisation(self)

    def forward(self, codes: Tensor) -> Tensor:
        return sigmoid_images(self.logits(codes), self.shape)

    def logits(self, codes: Tensor) -> Tensor:
        """Logits of the pixels, [B, D]."""
        *hidden, last = self.layers
        for one in hidden:
            codes = one(codes).sigmoid()
        logits: Tensor = last(codes)
        return logits


class Decoded(nn.Module):
    """A generator of codes followed by the decoder to images: the generator of a model in code space."""

    def __init__(self, codes: nn.Module, decoder: SigmoidDecoder) -> None:
        super().__init__()
        self.codes, self.decoder = codes, decoder

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.decoder(self.codes(latent))
        return images


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The binary cross-entropy of [B, D] with targets in 0..1, summed over D and averaged over the batch; float32."""
    return binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="sum") / len(targets)
