"""Filters by matrices and by convolutions: the same maps, the same first and second derivatives."""

from __future__ import annotations

import pytest
import torch

from papergan.game.filtering import by_convolutions, by_matrices, doubled, halved

TAPS = torch.tensor([0.1, 0.5, 0.3, -0.2, 0.4], dtype=torch.float64)  # not symmetric


def maps_of(channels, memory_format=torch.contiguous_format):
    torch.manual_seed(0)
    maps = torch.randn(2, channels, 9, 12, dtype=torch.float64)
    return maps.to(memory_format=memory_format).requires_grad_()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3, 10])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("up", [False, True])
def test_both_ways_agree_up_to_the_second_derivative(memory_format, channels, padding, up):
    maps = maps_of(channels, memory_format)
    found = []
    for way in (by_matrices, by_convolutions):
        after = way(maps, TAPS, padding, up=up)
        (slope,) = torch.autograd.grad(after.pow(3).sum(), maps, create_graph=True)
        found.append((after, slope, *torch.autograd.grad(slope.square().sum(), maps)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


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
