"""Equalised layers, pixel normalisation and mini-batch deviation against their formulas."""

import math

import pytest
import torch
from torch.nn.functional import conv2d

from papergan.networks.layers.equalised import EqualisedConv2d, EqualisedLinear, MinibatchDeviation, PixelNorm


def test_a_linear_layer_keeps_unit_weights_and_scales_them_when_used() -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(64, 256, gain=2.0, rate=0.01, offset=1.0)
    x = torch.randn(512, 64)
    assert layer.weight.std().item() == pytest.approx(100.0, rel=0.02)  # N(0, 1 / rate)
    expected = x @ (layer.weight * 0.01 * 2.0 / math.sqrt(64)).T + 1.0  # the bias is stored as offset / rate
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).std().item() == pytest.approx(2.0, rel=0.05)


def test_a_convolution_scales_by_its_fan_in_and_keeps_the_size() -> None:
    torch.manual_seed(0)
    layer = EqualisedConv2d(8, 32, 3, gain=math.sqrt(2))
    x = torch.randn(16, 8, 12, 12)
    torch.testing.assert_close(layer(x), conv2d(x, layer.weight * math.sqrt(2) / math.sqrt(72), layer.bias, padding=1))
    assert layer(x)[:, :, 1:-1, 1:-1].std().item() == pytest.approx(math.sqrt(2), rel=0.05)
    assert layer(x).shape == (16, 32, 12, 12)
    assert not layer.bias.any()


def test_pixels_have_unit_mean_square_over_channels() -> None:
    x = 3 * torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(PixelNorm()(x).square().mean(1), torch.ones(2, 4, 4))
    torch.testing.assert_close(PixelNorm()(x[:, :, 0, 0]), PixelNorm()(x)[:, :, 0, 0])


def test_the_deviation_of_a_group_by_hand() -> None:
    x = torch.randn(6, 4, 2, 2)
    out = MinibatchDeviation(group=3)(x)
    assert out.shape == (6, 5, 2, 2)
    assert torch.equal(out[:, :4], x)
    for first in range(2):  # images 0, 2, 4 are a group, and 1, 3, 5
        members = x[[first, first + 2, first + 4]]
        expected = ((members - members.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(out[[first, first + 2, first + 4], 4], expected.expand(3, 2, 2))


@pytest.mark.parametrize(("group", "batch"), [(None, 6), (4, 6), (8, 6)])
def test_a_batch_that_is_no_multiple_of_the_group_is_compared_whole(group: int | None, batch: int) -> None:
    x = torch.randn(batch, 4, 2, 2)
    expected = (x.var(0, correction=0) + 1e-8).sqrt().mean()
    torch.testing.assert_close(MinibatchDeviation(group)(x)[:, 4], expected.expand(batch, 2, 2))


def test_shares_of_the_channels_have_maps_of_their_own() -> None:
    x = torch.randn(4, 6, 2, 2)
    out = MinibatchDeviation(group=4, channels=2)(x)
    assert out.shape == (4, 8, 2, 2)
    torch.testing.assert_close(out[:, 7], MinibatchDeviation(group=4)(x[:, 3:])[:, 3])
