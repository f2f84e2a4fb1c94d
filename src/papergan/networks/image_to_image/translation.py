"""Networks that translate images: the generators of CycleGAN and pix2pix, and their patch discriminator."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.image_to_image.directions import ImageToImage
from papergan.networks.layers.blocks import maybe, normal_initialisation
from papergan.networks.layers.drawing import Dropout
from papergan.objectives.inpainting import mask_of

MapNorm = Literal["instance", "batch"]


def norm(kind: MapNorm, channels: int) -> nn.Module:
    """A normalisation layer for maps: instance normalisation without weights, or BatchNorm."""
    return nn.InstanceNorm2d(channels) if kind == "instance" else nn.BatchNorm2d(channels)


def only_input(images: ImageSpec, multiple: int = 1) -> ImageSpec:
    """The spec of the input images. Raises ValueError if there are none, or the size is not such a multiple."""
    if images.input is None:
        raise ValueError("a network that translates needs to know its input images")
    if images.size % multiple:
        raise ValueError(f"this network needs an image size that is a multiple of {multiple}, got {images.size}")
    return images.input


class ResidualBlock(nn.Module):
    """x + f(x), f two 3x3 convolutions with normalisation, reflection padding, ReLU between: [B, C, S, S], same shape.

    Source: Zhu et al. 2017 (arXiv:1703.10593), appendix 7.2, after Johnson et al. 2016.
    """

    def __init__(self, channels: int, kind: MapNorm) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=kind == "instance"), norm(kind, channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=kind == "instance"), norm(kind, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


class ResNetTranslator(ImageToImage):
    """Images [B, C', S, S] -> images [B, C, S, S] in [-1, 1], for any S that is a multiple of 4.

    c7s1-w, d2w, d4w, `blocks` residual blocks, u2w, uw, c7s1-C: convolutions of 7x7 and of stride 2, transposed ones of
    stride 2, normalisation, ReLU, tanh at the end. Source: Zhu et al. 2017 (arXiv:1703.10593), appendix 7.2; its code.
    """

    multiple_of = 4

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int, kind: MapNorm = "instance") -> None:
        super().__init__()
        bias, widths = kind == "instance", [width, 2 * width, 4 * width]
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias), norm(kind, width)]
        layers.append(nn.ReLU(inplace=True))
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=bias), norm(kind, after), nn.ReLU(True)]
        layers += [ResidualBlock(4 * width, kind) for _ in range(blocks)]
        for before, after in pairwise(reversed(widths)):
            up = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=bias)
            layers += [up, norm(kind, after), nn.ReLU(inplace=True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]
        self.layers = normal_initialisation(nn.Sequential(*layers))

    def forward(self, images: Tensor) -> Tensor:
        translated: Tensor = self.layers(images)
        return translated


class UNet(ImageToImage):
    """Images [B, C', S, S] -> images [B, C, S, S] in [-1, 1]: `depth` halvings, then doublings, with skip connections.

    Convolutions 4x4 of stride 2, LeakyReLU 0.2 on the way down, ReLU up; widths w, 2 w, 4 w, 8 w, 8 w ...; each map on
    the way up is joined with the map of its size on the way down. dropout: of the three innermost doublings in
    training, instead of latents. Source: Isola et al. 2017 (arXiv:1611.07004), section 6.1.1; its code.
    Raises ValueError if S is not a multiple of 2^depth.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, *, dropout: float, kind: MapNorm) -> None:
        super().__init__()
        self.multiple_of = 2**depth
        widths = [width * min(2**stage, 8) for stage in range(depth)]
        down, up = [], []
        for stage, (before, after) in enumerate(pairwise([inputs, *widths])):
            inner = 0 < stage < depth - 1  # neither the first nor the innermost is normalised
            down.append(nn.Sequential(
                *maybe(stage > 0, lambda: nn.LeakyReLU(0.2)),
                nn.Conv2d(before, after, 4, stride=2, padding=1, bias=kind == "instance" or not inner),
                *maybe(inner, lambda after=after: norm(kind, after)),  # type: ignore[misc]
            ))  # fmt: skip
        for stage in reversed(range(depth)):
            before, after = widths[stage] * (1 if stage == depth - 1 else 2), widths[stage - 1] if stage else outputs
            up.append(nn.Sequential(
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=kind == "instance" or stage == 0),
                *(maybe(stage > 0, lambda after=after: norm(kind, after))),  # type: ignore[misc]
                *maybe(dropout > 0 and stage >= max(1, depth - 3), lambda: Dropout(dropout)),
            ))  # fmt: skip
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        normal_initialisation(self)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] % self.multiple_of or images.shape[-2] % self.multiple_of:
            raise ValueError(f"this network translates images of multiples of {self.multiple_of} pixels")
        maps = [images]
        for layer in self.down:
            maps.append(layer(maps[-1]))
        x = maps.pop()
        for place, layer in enumerate(self.up):
            x = layer(x if place == 0 else torch.cat([x, maps.pop()], dim=1))
        return torch.tanh(x)


class PatchDiscriminator(nn.Module):
    """Images [B, C, S, S], concatenated with any further ones of that size, -> logits [B, P], one for each patch.

    Convolutions 4x4: `layers` of stride 2, one of stride 1, and one to the logits; widths w, 2 w, 4 w, 8 w, 8 w ...,
    LeakyReLU 0.2, all but the first normalised. With three layers patches are 70x70 pixels, with two 34x34, one 16x16.
    Source: Isola et al. 2017 (arXiv:1611.07004), section 6.1.2; Zhu et al. 2017 (arXiv:1703.10593), appendix 7.2.
    Raises ValueError if S is too small.
    """

    def __init__(self, channels: int, size: int, width: int, layers: int, kind: MapNorm) -> None:
        super().__init__()
        if size < 2**layers * 4:
            raise ValueError(
                f"{layers} halvings leave too little of {size} pixels, they need {2**layers * 4}; lower the layers"
            )
        widths = [width * min(2**stage, 8) for stage in range(layers + 1)]
        stages: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairwise([channels, *widths])):
            bias, stride = kind == "instance" or stage == 0, 2 if stage < layers else 1
            stages.append(nn.Sequential(
                nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=bias),
                *maybe(stage > 0, lambda after=after: norm(kind, after)),  # type: ignore[misc]
                nn.LeakyReLU(0.2, inplace=True),
            ))  # fmt: skip
        self.stages = nn.ModuleList(stages)
        self.head = nn.Conv2d(widths[-1], 1, 4, padding=1)
        normal_initialisation(self)

    def forward(self, *images: Tensor) -> DiscriminatorOutput:
        features, x = [], torch.cat(images, dim=1)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return DiscriminatorOutput(self.head(x).flatten(1), tuple(features))


class FilledIn(ImageToImage):
    """Images with a mask as their last channel -> images: the network fills masked pixels, the rest is unchanged.

    m f(x, m) + (1 - m) x, m 1 where pixels are missing: [B, C + 1, S, S] in [-1, 1] -> [B, C, S, S].
    """

    def __init__(self, network: ImageToImage) -> None:
        super().__init__()
        self.network, self.multiple_of = network, network.multiple_of

    def forward(self, images: Tensor) -> Tensor:
        missing = mask_of(images)
        filled: Tensor = self.network(images)
        return missing * filled + (1.0 - missing) * images[:, :-1]
