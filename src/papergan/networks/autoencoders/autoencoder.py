"""Autoencoder discriminators: the score of an image is minus its reconstruction error."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.game.priors import slerp
from papergan.networks.layers.blocks import Module


class Autoencoder(nn.Module):
    """An autoencoder discriminator: score = -mean |x - D(E(x))|^power over pixels, [B]; features: the code, [B, F].

    encoder: images [B, C, S, S] -> codes [B, F]; decoder: codes -> images. power: 1 or 2, the eta of the paper.
    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 3.1.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, power: int = 1) -> None:
        super().__init__()
        if power not in (1, 2):
            raise ValueError(f"the error of a reconstruction has the power 1 or 2, got {power}")
        self.encoder, self.decoder, self.power = encoder, decoder, power

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        code = self.encode(images)
        return DiscriminatorOutput(self.score(images, code), (code,))

    def encode(self, images: Tensor) -> Tensor:
        """Codes [B, F]."""
        code: Tensor = self.encoder(images)
        return code

    @torch.no_grad()
    def between(self, start: Tensor, end: Tensor, steps: int) -> Tensor:
        """Decoded interpolations between the codes of two images, both ends included: [B * steps, C, S, S], row by row.

        D(slerp(E(a), E(b), t)), t from 0 to 1. Between an image and its mirror image, the midpoint belongs to neither
        side: this is how BEGAN with Slerp turns faces to the front, as described at the end of zaika2025's section on
        applications. In evaluation mode, since batch statistics would make rows depend on each other; the mode is
        restored.
        """
        was_training = self.training
        self.eval()
        try:
            first, last = (self.encode(images).float().repeat_interleave(steps, 0) for images in (start, end))
            position = torch.linspace(0, 1, steps, device=first.device).repeat(len(start))
            images: Tensor = self.decoder(slerp(first, last, position))
        finally:
            self.train(was_training)
        return images.float()

    def score(self, images: Tensor, code: Tensor) -> Tensor:
        """Minus the reconstruction error of the images from their code, [B], float32, at most 0."""
        error: Tensor = (images.float() - self.decoder(code).float()).abs()
        return -(error if self.power == 1 else error.square()).flatten(1).mean(dim=1)


class DeconvolutionalDecoder(nn.Module):
    """Codes [B, code_dim] -> images [B, C, S, S] in [-1, 1]: the generator and the decoder of zaika2025.

    Linear to [S/8 * width, 4, 4], BatchNorm and ReLU (in the code, not in the text), then transposed convolutions k4 s2
    that halve the channels, each with BatchNorm and ReLU except the last, which has tanh. At 64x64 and width 64: 512
    channels at 4x4. Weights are Xavier normal with gain 0.02, biases 0.
    """

    def __init__(self, images: ImageSpec, code_dim: int, width: int = 64) -> None:
        super().__init__()
        stages = doublings(images)
        channels = [width * 2 ** (stages - 1 - stage) for stage in range(stages)]
        self.shape = (channels[0], 4, 4)
        self.fc = nn.Linear(code_dim, channels[0] * 16)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(channels, [*channels[1:], images.channels], strict=True):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
        self.deconv = nn.Sequential(*layers, nn.Tanh())
        xavier_initialisation(self, gain=0.02)

    def forward(self, code: Tensor) -> Tensor:
        images: Tensor = self.deconv(self.fc(code).unflatten(1, self.shape))
        return images


def doublings(images: ImageSpec) -> int:
    """The number of doublings from 4x4 to S. Raises ValueError if S is not 8, 16, 32, ..."""
    stages = (images.size // 4).bit_length() - 1
    if stages < 1 or 4 * 2**stages != images.size:
        raise ValueError(f"this network needs an image size of 4 times a power of 2, at least 8, got {images.size}")
    return stages


def xavier_initialisation(network: Module, gain: float) -> Module:
    """Weights of convolutions and linear layers Xavier normal (Glorot and Bengio 2010, eq. 16) times gain, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_normal_(module.weight, gain=gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
