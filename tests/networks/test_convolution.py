"""Convolutions under a gradient penalty: the values and derivatives of torch's, up to the second."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from papergan.networks.layers.convolution import TwiceDifferentiableConv2d


def pair_of(kernel, groups):
    torch.manual_seed(0)
    ours = TwiceDifferentiableConv2d(8, 16, kernel, padding=kernel // 2, groups=groups).double()
    theirs = nn.Conv2d(8, 16, kernel, padding=kernel // 2, groups=groups, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 4), (3, 8)])
def test_values_and_derivatives_are_those_of_torch(kernel, groups, memory_format):
    found = []
    for layer in pair_of(kernel, groups):
        torch.manual_seed(1)
        x = torch.randn(3, 8, 6, 6, dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
        after = layer(layer(x).tanh()[:, ::2])
        slopes = torch.autograd.grad(after.pow(3).sum(), (x, layer.weight), create_graph=True)
        penalty = sum(slope.square().sum() for slope in slopes)
        found.append((after, *slopes, *torch.autograd.grad(penalty, (x, layer.weight))))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs)


def test_derivatives_by_differences():
    layer, _ = pair_of(3, 2)
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, x), (x, layer.weight)
    )


def test_autocast_and_inference():
    ours, theirs = (layer.float() for layer in pair_of(3, 4))
    x = torch.randn(2, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                assert ours(x).dtype is torch.bfloat16
                torch.testing.assert_close(ours(x), theirs(x))
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x))


def test_what_needs_no_derivative_gets_none():
    layer, _ = pair_of(3, 4)
    layer.requires_grad_(False)
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    assert slope.shape == x.shape
    assert layer.weight.grad is None


def test_its_derivatives_are_its_own_on_every_device():
    layer = pair_of(3, 4)[0].to("meta")
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64, device="meta", requires_grad=True)
    after = layer(x)
    assert type(after.grad_fn).__name__ == "_ConvolutionBackward"
    (slope,) = torch.autograd.grad(after.pow(3).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert layer.weight.grad.shape == layer.weight.shape
