"""Depthwise separable convolutions that replace a game's plain ones (Howard et al. 2017, arXiv:1704.04861)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final, Literal

from torch import nn

from papergan.game.game import Game

Convolution = Literal["standard", "depthwise_separable", "depthwise_separable_both"]
MIN_CHANNELS: Final = 8  # layers with fewer inputs or outputs, those from or to images, are kept


class DepthwiseSeparable(nn.Sequential):
    """[B, C, S, S] -> [B, K, S', S']: a depthwise k x k convolution, then a 1x1 convolution over the channels.

    k^2 C + C K weights instead of k^2 C K. Source: Howard et al. 2017, section 3.1; without the BatchNorm and the
    activation between the two. Weights have torch's default initialisation.
    """

    def __init__(self, plain: nn.Conv2d | nn.ConvTranspose2d) -> None:
        """plain: the convolution that provides sizes, stride, padding and bias; transposed if it is."""
        shape = {"kernel_size": plain.kernel_size, "stride": plain.stride, "padding": plain.padding}
        shape |= {"output_padding": plain.output_padding} if isinstance(plain, nn.ConvTranspose2d) else {}
        depthwise = type(plain)(
            plain.in_channels, plain.in_channels, groups=plain.in_channels, bias=False, **shape,  # type: ignore[arg-type]
        )  # fmt: skip
        pointwise = nn.Conv2d(plain.in_channels, plain.out_channels, 1, bias=plain.bias is not None)
        super().__init__(OrderedDict(depthwise=depthwise, pointwise=pointwise))


def with_separable_convolutions(game: Game, where: Convolution) -> Game:
    """The game with depthwise separable convolutions in its generator, or in all of its networks.

    Not replaced are 1x1 convolutions, those with fewer than 8 channels, those of latents (transposed, of stride 1), and
    those whose weights are scaled or normalised. Raises ValueError if the generator has no others.
    """
    names = [game.showcase.generator] if where == "depthwise_separable" else list(game.networks)
    replaced = {name: _replaced(game.networks[name]) for name in names}
    if not replaced[game.showcase.generator]:
        raise ValueError(f"convolution: {where} is for generators with plain convolutions; this one has none")
    return replace(game)  # optimisers and average of the new weights


def _replaced(network: nn.Module) -> int:
    """Replace the convolutions of a network in place; returns how many there were."""
    found = [
        (parent, name, layer)
        for parent in network.modules()
        for name, layer in parent.named_children()
        if type(layer) in (nn.Conv2d, nn.ConvTranspose2d) and _is_replaced(layer)  # type: ignore[arg-type]
    ]
    for parent, name, layer in found:
        setattr(parent, name, DepthwiseSeparable(layer))  # type: ignore[arg-type]
    return len(found)


def _is_replaced(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    reads_latents = isinstance(layer, nn.ConvTranspose2d) and layer.stride == (1, 1)
    small = min(layer.in_channels, layer.out_channels) < MIN_CHANNELS or layer.kernel_size == (1, 1)
    return layer.groups == 1 and not reads_latents and not small
