"""SRResNet and the discriminator of SRGAN (Ledig et al. 2017)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.image_to_image.directions import ImageToImage


class _Block(nn.Module):
    """x + BN(conv(PReLU(BN(conv(x))))), 3x3: [B, w, S, S], same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


class SRResNet(ImageToImage):
    """Images [B, C', S, S] in [-1, 1] -> [B, C, f S, f S], unbounded: super-resolution by f = 2, 4 or 8.

    9x9 convolution to `width` maps, PReLU; `blocks` residual blocks and one more convolution, with a skip connection;
    for each doubling a convolution to four times the maps, PixelShuffle, PReLU; 9x9 convolution to the image.
    Source: Ledig et al. 2017 (arXiv:1609.04802), figure 4: 16 blocks of width 64.
    Raises ValueError for other factors.
    """

    def __init__(self, inputs: ImageSpec, images: ImageSpec, width: int, blocks: int) -> None:
        super().__init__()
        factor, rest = divmod(images.size, inputs.size)
        if rest or factor not in (2, 4, 8):
            raise ValueError(f"the size must be 2, 4 or 8 times that of the inputs, {inputs.size}, got {images.size}")
        self.first = nn.Sequential(nn.Conv2d(inputs.channels, width, 9, padding=4), nn.PReLU())
        self.trunk = nn.Sequential(
            *(_Block(width) for _ in range(blocks)),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        doublings: list[nn.Module] = []
        for _ in range(factor.bit_length() - 1):
            doublings += [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()]
        self.last = nn.Sequential(*doublings, nn.Conv2d(width, images.channels, 9, padding=4))

    def forward(self, images: Tensor) -> Tensor:
        shallow = self.first(images)
        enlarged: Tensor = self.last(shallow + self.trunk(shallow))
        return enlarged


class SRDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B]; features are the maps of every stage.

    Convolutions 3x3 to w, 2 w, 4 w, 8 w maps, each followed by one of stride 2, BatchNorm on all but the first,
    LeakyReLU 0.2, then linear layers to 16 w and 1. Source: Ledig et al. 2017 (arXiv:1609.04802), figure 4: w = 64.
    Raises ValueError if S is not a multiple of 16.
    """

    def __init__(self, images: ImageSpec, width: int) -> None:
        super().__init__()
        side, rest = divmod(images.size, 16)
        if rest:
            raise ValueError(f"this network needs an image size that is a multiple of 16, got {images.size}")
        stages: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairwise([images.channels, *(width * 2**n for n in range(4))])):
            stages.append(nn.Sequential(
                nn.Conv2d(before, after, 3, padding=1, bias=stage == 0),
                *([nn.BatchNorm2d(after)] if stage else []),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(after, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2, inplace=True),
            ))  # fmt: skip
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(
            nn.Linear(8 * width * side**2, 16 * width), nn.LeakyReLU(0.2, inplace=True), nn.Linear(16 * width, 1)
        )

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features, x = [], images
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return DiscriminatorOutput(self.head(torch.flatten(x, 1)).squeeze(1), tuple(features))
