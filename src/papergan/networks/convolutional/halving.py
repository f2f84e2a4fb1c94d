"""DCGAN's networks for images of any size: every stage halves the size, rounded up, so 28 becomes 14, 7 and 4."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.networks.layers.blocks import ConvolutionalDiscriminator

STD = 0.02


def halved(size: int, times: int) -> list[int]:
    """`size`, and the size after each halving, rounded up."""
    sizes = [size]
    for _ in range(times):
        sizes.append(-(-sizes[-1] // 2))
    return sizes


class HalvingGenerator(nn.Module):
    """Latent [B, latent_dim] -> images [B, C, S, S] in [-1, 1].

    Linear to `width * 2^3` maps, then transposed convolutions of stride 2, each to half as many maps and twice the
    size or one less; BatchNorm and ReLU between, tanh at the end. refine: three doublings down to `width` maps, which
    a convolution of stride 1 turns into the image; else four, the last to the image. kernel: size of all kernels, odd.
    Weights are N(0, 0.02), for convolutions truncated at two standard deviations.
    Source: the code of Lin et al. 2018 (PacGAN, arXiv:1712.04086) for stacked MNIST.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int, *, kernel: int, refine: bool) -> None:
        super().__init__()
        maps = [width * 2**power for power in (3, 2, 1, 0)] + ([] if refine else [images.channels])
        sizes = halved(images.size, len(maps) - 1)[::-1]
        self.first_shape = (maps[0], sizes[0], sizes[0])
        self.first = nn.Linear(latent_dim, maps[0] * sizes[0] ** 2, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(maps[0]), nn.ReLU(inplace=True)]
        for place, ((inputs, outputs), (_, size)) in enumerate(zip(pairwise(maps), pairwise(sizes), strict=True), 1):
            last = not refine and place == len(maps) - 1
            layers.append(
                nn.ConvTranspose2d(
                    inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1 - size % 2, bias=last
                )
            )
            layers += [] if last else [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        if refine:
            layers.append(nn.Conv2d(maps[-1], images.channels, kernel, padding=kernel // 2))
        self.layers = nn.Sequential(*layers, nn.Tanh())
        _initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.layers(self.first(latent).unflatten(1, self.first_shape))
        return images


class HalvingDiscriminator(ConvolutionalDiscriminator):
    """Images [B, C, S, S] -> logits [B]; features are the last map, of `width * 2^(stages - 1)` maps.

    Convolutions of stride 2, BatchNorm, LeakyReLU, then linear. normalise_first: BatchNorm also after the first.
    Weights and source as HalvingGenerator.
    """

    def __init__(
        self, images: ImageSpec, width: int, *, stages: int, kernel: int, slope: float, normalise_first: bool
    ) -> None:
        super().__init__()
        maps = [images.channels, *(width * 2**power for power in range(stages))]
        layers: list[nn.Module] = []
        for place, (inputs, outputs) in enumerate(pairwise(maps)):
            normalise = normalise_first or place > 0
            layers.append(nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=not normalise))
            layers += [nn.BatchNorm2d(outputs)] if normalise else []
            layers.append(nn.LeakyReLU(slope, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(maps[-1] * halved(images.size, stages)[-1] ** 2, 1)
        _initialise(self)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.trunc_normal_(module.weight, 0.0, STD, -2 * STD, 2 * STD)
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, STD)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
