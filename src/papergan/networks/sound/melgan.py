"""The networks of MelGAN: a generator from mel spectrograms to waveforms, and a discriminator of one scale.

Sizes are those of the authors' code (github.com/descriptinc/melgan-neurips, mel2wav/modules.py), which was read; the
paper's section numbers are [memory], which was not verified.
All convolutions have weight normalisation (Salimans and Kingma 2016, arXiv:1602.07868) and torch's default
initialisation. The code also draws N(0, 0.02), but into a tensor that its weight normalisation recomputes in every
pass, so this has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.functional import avg_pool1d
from torch.nn.utils.parametrizations import weight_norm

from papergan.game.game import DiscriminatorOutput

RATIOS = (8, 8, 2, 2)
LAYERS = 4  # strided layers of a discriminator
STRIDE = 4  # of each of these layers
MOST_MAPS = 1024  # of a discriminator
MOST_TIMES = 64  # most maps as a multiple of the width: 1024 at the code's width of 16
MAPS_OF_A_GROUP = 4

Layer = TypeVar("Layer", bound=nn.Module)


class MelGANGenerator(nn.Module):
    """Log mel spectrograms [B, bands, T] -> waveforms [B, 1, T * product of the ratios] in [-1, 1].

    A convolution k7 to 2^n * width maps, n the number of ratios. For each ratio r LeakyReLU(0.2), a transposed
    convolution k2r of stride r to half as many maps, and `residual_layers` blocks of dilations 1, 3, 9, ...; then
    LeakyReLU(0.2), a convolution k7 to one map, and tanh. Borders are mirrored; there is no noise.
    Source: Kumar et al. 2019 (arXiv:1910.06711), section 2.1 and the authors' code: 80 bands, width 32, 3 layers.
    T must be above 3, and T times the first ratio above the largest dilation.
    """

    def __init__(
        self, bands: int = 80, width: int = 32, ratios: Sequence[int] = RATIOS, residual_layers: int = 3
    ) -> None:
        super().__init__()
        maps = width * 2 ** len(ratios)
        layers: list[nn.Module] = [nn.ReflectionPad1d(3), _normalised(nn.Conv1d(bands, maps, 7))]
        for ratio in ratios:
            layers += [
                nn.LeakyReLU(0.2),
                _normalised(
                    nn.ConvTranspose1d(
                        maps, maps // 2, 2 * ratio, ratio, ratio // 2 + ratio % 2, output_padding=ratio % 2
                    )
                ),
            ]
            maps //= 2
            layers += [DilatedBlock(maps, 3**place) for place in range(residual_layers)]
        layers += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), _normalised(nn.Conv1d(width, 1, 7)), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, mel: Tensor) -> Tensor:
        waveforms: Tensor = self.layers(mel)
        return waveforms


def least_frames(ratios: Sequence[int], residual_layers: int) -> int:
    """The fewest frames that a `MelGANGenerator` takes: reflection padding must be shorter than its input.

    The first layer pads by 3 frames; after the first ratio the padding is the largest dilation, 3^(layers - 1) samples.
    """
    largest: int = 3 ** (residual_layers - 1)
    return max(4, largest // ratios[0] + 1)


class DilatedBlock(nn.Module):
    """Maps [B, C, L] -> [B, C, L]: S x + W2 a(W1 a(x)), a LeakyReLU(0.2), W1 k3 dilated, W2 and S k1.

    Blocks of dilations 1, 3 and 9 have a receptive field of 27 samples. Source: as `MelGANGenerator`, section 2.1.
    """

    def __init__(self, maps: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            _normalised(nn.Conv1d(maps, maps, 3, dilation=dilation)),
            nn.LeakyReLU(0.2),
            _normalised(nn.Conv1d(maps, maps, 1)),
        )
        self.shortcut = _normalised(nn.Conv1d(maps, maps, 1))

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.shortcut(maps) + self.block(maps)
        return out


class MelGANDiscriminator(nn.Module):
    """Waveforms [B, 1, L] -> logits [B, P] of overlapping windows, P = ceil(L' / 4^layers); all maps are features.

    L' = L / 2^scale: the waveform is first halved `scale` times by means over 4 samples. Then a convolution k15 to
    width maps, `layers` of k41 and stride 4 in groups of 4 maps, which quadruple the maps, one of k5 that doubles
    them, each with LeakyReLU(0.2), and one of k3 to a logit. Maps are at most 1024, and at most 64 * width, which is
    the same at the code's width of 16 and keeps the proportions of narrower networks; if a number of maps is not
    divisible by the number of groups, the number of groups is reduced to a common divisor of both sides.
    Source: Kumar et al. 2019 (arXiv:1910.06711), section 2.2 and the authors' code: width 16, 4 layers, 3 scales.
    The code's convolution k5 takes as many maps as the last layer but one has, which fails if these differ.
    """

    def __init__(self, width: int = 16, *, scale: int = 0, layers: int = LAYERS) -> None:
        super().__init__()
        self.scale, most = scale, min(MOST_MAPS, MOST_TIMES * width)
        stages: list[nn.Module] = [
            nn.Sequential(nn.ReflectionPad1d(7), _normalised(nn.Conv1d(1, width, 15)), _activation())
        ]
        maps = width
        for _ in range(layers):
            before, maps = maps, min(maps * STRIDE, most)
            groups = gcd(max(before // MAPS_OF_A_GROUP, 1), before, maps)
            strided = nn.Conv1d(before, maps, 10 * STRIDE + 1, STRIDE, 5 * STRIDE, groups=groups)
            stages.append(nn.Sequential(_normalised(strided), _activation()))
        before, maps = maps, min(maps * 2, most)
        stages.append(nn.Sequential(_normalised(nn.Conv1d(before, maps, 5, padding=2)), _activation()))
        self.stages = nn.ModuleList(stages)
        self.head = _normalised(nn.Conv1d(maps, 1, 3, padding=1))

    def forward(self, waveforms: Tensor) -> DiscriminatorOutput:
        maps, features = halved(waveforms, self.scale), []
        for stage in self.stages:
            maps = stage(maps)
            features.append(maps)
        return DiscriminatorOutput(self.head(maps).flatten(1), tuple(features))


def halved(waveforms: Tensor, times: int) -> Tensor:
    """Waveforms [B, 1, L] halved repeatedly, [B, 1, L / 2^times]: means over 4 samples, stride 2, fewer at the ends."""
    for _ in range(times):
        waveforms = avg_pool1d(waveforms, 4, stride=2, padding=1, count_include_pad=False)
    return waveforms


def _normalised(layer: Layer) -> Layer:
    weight_norm(layer)
    return layer


def _activation() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)
