"""The networks of WaveGAN: a generator of waveforms and a discriminator with phase shuffle.

[code] marks what was read in the authors' code (github.com/chrisdonahue/wavegan, wavegan.py); the paper's section
numbers are [memory], which was not verified. Weights are initialised Glorot uniform and biases 0: the code specifies
no initialisation, and these are the defaults of its TensorFlow 1 layers [memory].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from papergan.game.game import DiscriminatorOutput

KERNEL, STRIDE = 25, 4  # of all convolutions
LEAST_MAP = 16  # samples of the shortest map
LEAST_LENGTH = LEAST_MAP * STRIDE
PADDING = 11  # "same" padding needs 21 samples: 11 before and 10 after


class WaveGANGenerator(nn.Module):
    """Latents [B, Z] -> waveforms [B, 1, L] in [-1, 1].

    A linear layer to L / 4^k samples of 2^(k - 1) * width maps and ReLU; k transposed convolutions k25 s4, the maps
    halved each time down to width before the last; ReLU after each, tanh after the last; no BatchNorm. k: the largest
    number that leaves 16 samples or more, so 5 at L = 16384, from 16 samples of 16 * width maps.
    Source: Donahue et al. 2019 (arXiv:1802.04208), section 3.2 and appendix D, and the authors' code: width 64.
    For L = 16384 and 65536 this is [code]; for 32768 the code has 16 samples, six layers, and stride 2 in the last.
    TensorFlow pads 10 samples before and 11 after, torch 11 and 10, its mirror image.
    Raises ValueError if L is not a power of two, at least 64.
    """

    def __init__(self, length: int, latent_dim: int = 100, width: int = 64) -> None:
        super().__init__()
        count = layers_of(length)
        channels = [width * 2**stage for stage in reversed(range(count))]
        self.first = nn.Linear(latent_dim, channels[0] * (length // STRIDE**count))
        self.channels = channels[0]
        layers: list[nn.Module] = [nn.ReLU(inplace=True)]
        for before, after in pairwise(channels):
            layers += [_upsampling(before, after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, _upsampling(width, 1), nn.Tanh())
        glorot_initialisation(self)

    def forward(self, latent: Tensor) -> Tensor:
        maps = torch.unflatten(self.first(latent), 1, (self.channels, -1))
        waveforms: Tensor = self.layers(maps)
        return waveforms


class WaveGANDiscriminator(nn.Module):
    """Waveforms [B, 1, L] -> logits [B].

    k convolutions k25 s4, to width maps, doubled each time; LeakyReLU(0.2), and `PhaseShuffle` except after the last;
    a linear layer on the flattened maps. k: as in `WaveGANGenerator`. phase_shuffle: the largest shift; 0 = none.
    Source: Donahue et al. 2019 (arXiv:1802.04208), sections 3.2 and 3.3, appendix D, and the authors' code: width 64,
    phase shuffle 2. At L = 65536 the code also has no phase shuffle after the fifth of its six layers.
    Raises ValueError if L is not a power of two, at least 64, or phase_shuffle is below 0.
    """

    def __init__(self, length: int, width: int = 64, phase_shuffle: int = 2) -> None:
        super().__init__()
        count = layers_of(length)
        channels = [1, *(width * 2**stage for stage in range(count))]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv1d(before, after, KERNEL, STRIDE, PADDING), nn.LeakyReLU(0.2, inplace=True)]
            layers.append(PhaseShuffle(phase_shuffle))
        self.layers = nn.Sequential(*layers[:-1])
        self.head = nn.Linear(channels[-1] * (length // STRIDE**count), 1)
        glorot_initialisation(self)

    def forward(self, waveforms: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.head(self.layers(waveforms).flatten(1))[:, 0])


class PhaseShuffle(nn.Module):
    """Shift maps [B, C, L] by a number of samples from -largest..largest in training; the identity otherwise.

    One shift for the whole batch and all maps, drawn uniformly in each pass, so all ranks draw the same shift; missing
    samples are mirrored. The shift is drawn on the host, so a CUDA graph would repeat it.
    Source: Donahue et al. 2019 (arXiv:1802.04208), section 3.3; that the batch shares the shift is [code].
    Raises ValueError if `largest` is below 0.
    """

    def __init__(self, largest: int = 2) -> None:
        super().__init__()
        if largest < 0:
            raise ValueError(f"the largest shift of phase shuffle must be at least 0, got {largest}")
        self.largest = largest

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training or self.largest == 0:
            return maps
        return shifted(maps, int(torch.randint(-self.largest, self.largest + 1, ())))


def shifted(maps: Tensor, shift: int) -> Tensor:
    """Maps [..., L] shifted by `shift` samples, delayed if it is positive: y[t] = x[t - shift], |shift| < L.

    Beyond the ends x is mirrored without repeating the last sample. Differentiable any number of times, and made of
    operations that are deterministic on a GPU, unlike torch's padding.
    """
    if shift > 0:
        return torch.cat([maps[..., 1 : shift + 1].flip(-1), maps[..., :-shift]], dim=-1)
    if shift < 0:
        return torch.cat([maps[..., -shift:], maps[..., shift - 1 : -1].flip(-1)], dim=-1)
    return maps


def layers_of(length: int) -> int:
    """How often a length can be divided by 4 with 16 samples or more left.

    Raises ValueError if the length is not a power of two, at least 64.
    """
    if length < LEAST_LENGTH or length & (length - 1):
        raise ValueError(
            f"WaveGAN needs a length that is a power of two of samples, at least {LEAST_LENGTH}, got {length}"
        )
    return ((length // LEAST_MAP).bit_length() - 1) // 2


def glorot_initialisation(network: nn.Module) -> None:
    """Weights of convolutions and linear layers Glorot uniform, biases 0. Source: Glorot and Bengio 2010, eq. 16."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _upsampling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose1d(inputs, outputs, KERNEL, STRIDE, PADDING, output_padding=1)
