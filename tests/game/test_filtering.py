"""Filters by products with matrices: what convolutions of each channel give, and its first and second derivatives."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d
from torch.utils._python_dispatch import TorchDispatchMode

from papergan.game.filtering import blurred, doubled, halved

TAPS = torch.tensor([0.1, 0.5, 0.3, -0.2, 0.4], dtype=torch.float64)  # not symmetric


def maps_of(channels, memory_format=torch.contiguous_format):
    torch.manual_seed(0)
    maps = torch.randn(2, channels, 9, 12, dtype=torch.float64)
    return maps.to(memory_format=memory_format).requires_grad_()


def convolved(maps, padding, *, stride=2, up=False):
    channels = maps.shape[1]
    kernel = torch.outer(TAPS, TAPS).expand(channels, 1, -1, -1)
    return (conv_transpose2d if up else conv2d)(maps, kernel, stride=stride, padding=padding, groups=channels)


WAYS = {
    "halved": (halved, convolved),
    "doubled": (doubled, lambda maps, padding: convolved(maps, padding, up=True)),
    "blurred": (blurred, lambda maps, padding: convolved(maps, padding, stride=1)),
}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("way", WAYS)
def test_they_agree_with_convolutions_up_to_the_second_derivative(memory_format, channels, padding, way):
    maps, (ours, theirs) = maps_of(channels, memory_format), WAYS[way]
    found = []
    for after in (ours(maps, TAPS, padding=padding), theirs(maps, padding)):
        (slope,) = torch.autograd.grad(after.pow(3).sum(), maps, create_graph=True)
        found.append((after, slope, *torch.autograd.grad(slope.square().sum(), maps)))
    for by_matrices, by_convolutions in zip(*found, strict=True):
        torch.testing.assert_close(by_matrices, by_convolutions)


class Noted(TorchDispatchMode):
    """The numbers of groups of the convolutions that torch does."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.found += [args[8]] if func is torch.ops.aten.convolution.default else []
        self.found += [args[9]] if func is torch.ops.aten.convolution_backward.default else []
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("way", WAYS)
def test_on_every_device_they_are_differentiated_twice_without_convolutions_of_each_channel(way, device):
    maps = torch.ones(2, 10, 9, 12, device=device, requires_grad=True)
    with Noted() as noted:
        after = WAYS[way][0](maps, TAPS.float().to(device), padding=2)
        (slope,) = torch.autograd.grad(after.pow(3).sum(), maps, create_graph=True)
        torch.autograd.grad(slope.square().sum(), maps)
    assert noted.found == [1, 1]  # the matrices themselves


def test_halving_by_hand_and_doubling_is_its_transpose():
    line = torch.tensor([1.0, 2.0, 3.0, 4.0])
    column = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 1, 4, 1) * torch.ones(1, 1, 1, 4)
    after = halved(column, line, padding=1)
    down = torch.tensor([2 * 1 + 3 * 10 + 4 * 100, 1 * 10 + 2 * 100 + 3 * 1000])
    across = torch.tensor([2.0 + 3 + 4, 1 + 2 + 3])
    torch.testing.assert_close(after[0, 0], torch.outer(down, across))
    small, large = torch.randn(2, 10, 6, 6), torch.randn(2, 10, 12, 12)
    inner = (doubled(small, line, padding=1) * large).sum()
    torch.testing.assert_close(inner, (small * halved(large, line, padding=1)).sum())


@pytest.mark.parametrize("channels", [3, 10])
def test_maps_stay_in_the_order_of_their_memory(channels):
    maps = maps_of(channels, torch.channels_last).detach().float()
    if channels == 10:
        assert halved(maps, TAPS.float()).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert doubled(maps, TAPS.float()).dtype is torch.bfloat16
