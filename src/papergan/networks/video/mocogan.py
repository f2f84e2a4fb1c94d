"""The networks of MoCoGAN: a generator of clips, a discriminator of single frames and one of whole clips.

Convolutions have no biases. Weights are initialised as in the authors' code, which uses torch's defaults, in a version
before 1.0 judging by its API (Variable, transforms.Scale): U(-b, b) with b = 1 / sqrt(input channels * elements of a
kernel) for all convolutions, including transposed ones (`_ConvNd.reset_parameters` of torch 0.4). Torch still has that
bound for convolutions and 1 / sqrt(hidden) for the GRU, but since 1.0 it counts output channels instead of input
channels for transposed convolutions: with 32 maps before a last layer to one, the bound is 0.25 instead of 0.044, and
23 % of the initial pixels are beyond +-0.9. BatchNorm's scales start at 1, as in torch since 1.2, not from U(0, 1).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.blocks import maybe
from papergan.networks.layers.drawing import GaussianNoise
from papergan.objectives.clips import ClipGenerator, ClipLayout

KERNEL = 4  # of all convolutions, along every axis
LEAST_SIZE = 16


class MoCoGANGenerator(ClipGenerator):
    """Latents [B, layout.latent_dim], and one-hot classes [B, num_classes] if labelled -> clips [B, T * C, S, S].

    h(t) = GRU(e(t), h(t - 1)), e(t) the motion noise of frame t, and h(-1) also from the latent; the frame is
    G(content, category, h(t)), in [-1, 1]. G: a transposed convolution to 4x4, then one that doubles the side for each
    stage, maps halved each time down to width before the last; BatchNorm, over the frames of all clips, and ReLU except
    for the last, which has tanh. So frame t depends on the noise of frames 0 to t; all frames share content and
    category. layout: of the latents; it has no categories if labelled, since the class is then the category.
    Source: Tulyakov et al. 2018 (arXiv:1707.04993), section 3 and the authors' code, width 64.
    Raises ValueError if S is not a power of two, at least 16, or layout and images have different numbers of frames.
    """

    def __init__(self, images: ImageSpec, layout: ClipLayout, width: int = 64, *, labelled: bool = False) -> None:
        super().__init__()
        if layout.frames != images.frames:
            raise ValueError(f"a layout of {layout.frames} frames does not fit clips of {images.frames} frames")
        self.layout = layout
        self.motion = nn.GRUCell(layout.motion, layout.motion)
        inputs = layout.content + layout.motion + (images.num_classes if labelled else layout.categories)
        channels = [width * 2**stage for stage in reversed(range(halvings(images)))]
        layers: list[nn.Module] = [_transposed(inputs, channels[0]), *_after(channels[0])]
        for before, after in pairwise(channels):
            layers += [_doubling(before, after), *_after(after)]
        self.layers = nn.Sequential(*layers, _doubling(width, images.frame.channels), nn.Tanh())

    def forward(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        codes = self.codes(latent, classes)
        frames: Tensor = self.layers(codes.flatten(0, 1)[:, :, None, None])
        return torch.unflatten(frames, 0, (-1, self.layout.frames)).flatten(1, 2)

    def codes(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """The codes of each frame: content, category or class, and motion, [B, T, C + K + M]."""
        content, noise, category = self.layout.split(latent)
        same = torch.cat([content, category if classes is None else classes], dim=1)
        state, states = noise[:, 0], []
        for place in range(1, self.layout.frames + 1):
            state = self.motion(noise[:, place], state)
            states.append(state)
        motion = torch.stack(states, dim=1)
        return torch.cat([same[:, None].expand(-1, self.layout.frames, -1).to(motion.dtype), motion], dim=2)


class FrameDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B, P], one for each of P = (S / 16)^2 patches; features are the last map.

    Four convolutions k4 s2, to width, 2 * width, 4 * width and 1 maps; LeakyReLU(0.2) and, except after the first,
    BatchNorm. noise: standard deviation of the noise added to every convolution's input in training; 0 = none.
    Source: Tulyakov et al. 2018 (arXiv:1707.04993), the authors' code, PatchImageDiscriminator, width 64.
    """

    def __init__(self, images: ImageSpec, width: int = 64, *, noise: float = 0.1) -> None:
        super().__init__()
        halvings(images)
        layers: list[nn.Module] = []
        for place, (before, after) in enumerate(pairwise([images.channels, width, 2 * width, 4 * width])):
            layers += [
                *maybe(noise > 0, lambda: GaussianNoise(noise)),
                nn.Conv2d(before, after, KERNEL, stride=2, padding=1, bias=False),
                *maybe(place > 0, lambda after=after: nn.BatchNorm2d(after)),  # type: ignore[misc]
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            *maybe(noise > 0, lambda: GaussianNoise(noise)),
            nn.Conv2d(4 * width, 1, KERNEL, stride=2, padding=1, bias=False),
        )

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.layers(images)
        return DiscriminatorOutput(self.head(features).flatten(1), (features,))


class ClipDiscriminator(nn.Module):
    """Clips [B, T * C, S, S] -> logits [B]; the last features are logits of the category, [B, K], if K > 0.

    3-D convolutions k4, of stride 2 in space and 1, without padding, in time, to width maps, doubled each time, down to
    4x4; LeakyReLU(0.2) and, except after the first, BatchNorm; the last convolution covers the rest, also in time, and
    has 1 + K outputs. Along time a kernel is as long as its input if that has fewer than 4 frames, which happens with
    fewer than 3 * stages + 1 frames: 13 at 64x64, 10 at 32x32. noise: as `FrameDiscriminator`, except in the
    last convolution. Source: Tulyakov et al. 2018 (arXiv:1707.04993), the authors' code, CategoricalVideoDiscriminator,
    width 64, for 16 frames of 64x64 pixels.
    """

    def __init__(self, images: ImageSpec, width: int = 64, *, categories: int = 0, noise: float = 0.1) -> None:
        super().__init__()
        self.frames, self.categories = images.frames, categories
        left, layers = images.frames, list[nn.Module]()
        channels = [images.frame.channels, *(width * 2**stage for stage in range(halvings(images)))]
        for place, (before, after) in enumerate(pairwise(channels)):
            long = min(KERNEL, left)
            left -= long - 1
            layers += [
                *maybe(noise > 0, lambda: GaussianNoise(noise)),
                nn.Conv3d(
                    before, after, (long, KERNEL, KERNEL), stride=(1, 2, 2), padding=(0, 1, 1), bias=False
                ),
                *maybe(place > 0, lambda after=after: nn.BatchNorm3d(after)),  # type: ignore[misc]
                nn.LeakyReLU(0.2, inplace=True),
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv3d(channels[-1], 1 + categories, (left, KERNEL, KERNEL), bias=False)

    def forward(self, clips: Tensor) -> DiscriminatorOutput:
        features = self.layers(torch.unflatten(clips, 1, (self.frames, -1)).transpose(1, 2).contiguous())
        logits = self.head(features).flatten(1)
        read = (logits[:, 1:],) if self.categories else ()
        return DiscriminatorOutput(logits[:, 0], (features, *read))


def halvings(images: ImageSpec) -> int:
    """How often the side is halved down to 4 pixels. Raises ValueError if it is not a power of two, at least 16."""
    if images.size < LEAST_SIZE or images.size & (images.size - 1):
        raise ValueError(
            f"this network needs an image size that is a power of two, at least {LEAST_SIZE}, got {images.size}"
        )
    return images.size.bit_length() - 3


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return _transposed(inputs, outputs, stride=2, padding=1)


def _transposed(inputs: int, outputs: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
    """A transposed convolution initialised as in torch before 1.0, see the top of this file."""
    layer = nn.ConvTranspose2d(inputs, outputs, KERNEL, stride, padding, bias=False)
    bound = (inputs * KERNEL**2) ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer


def _after(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
