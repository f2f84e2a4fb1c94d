"""Layers of style-based networks against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from papergan.networks.layers.equalised import EqualisedLinear
from papergan.networks.layers.modulation import demodulation, modulated_convolution
from papergan.networks.layers.resampling import Blur, Resample
from papergan.networks.layers.styles import ActivatedConv2d, ActivatedLinear, Mapping, Noise, style_of


def setup_of(kernel: int = 3, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    maps, weight, styles = torch.randn(batch, 4, 6, 6), torch.randn(5, 4, kernel, kernel), torch.randn(batch, 4)
    return maps, weight, styles


@pytest.mark.parametrize("up", [False, True])
def test_a_modulated_convolution_by_hand(up):
    maps, weight, styles = setup_of()
    found = modulated_convolution(maps, weight, styles, up=up, gain=1.5)
    for image, style, made in zip(maps, styles, found, strict=True):
        own = weight * style[None, :, None, None]
        own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            wanted = conv_transpose2d(image[None], own.transpose(0, 1), stride=2)
        else:
            wanted = conv2d(image[None], own, padding=1)
        torch.testing.assert_close(made, 1.5 * wanted[0])


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_both_implementations_agree_with_their_gradients(up, demodulate, batch):
    results = []
    for implementation in ("scaled", "grouped"):
        given = [one.requires_grad_() for one in setup_of(batch=batch)]
        out = modulated_convolution(*given, up=up, demodulate=demodulate, gain=2.0, implementation=implementation)
        first = torch.autograd.grad(out.square().sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(one.square().sum() for one in first), given)
        results.append((out, *first, *second))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.detach().abs().max()))


def test_demodulation_leaves_maps_of_unit_deviation():
    _, weight, styles = setup_of()
    own = weight * styles[:, None, :, None, None]
    norm = own.flatten(2).square().sum(2)  # [B, O]
    torch.testing.assert_close(demodulation(weight, styles), 1 / norm.sqrt(), rtol=1e-5, atol=0)
    maps = torch.randn(64, 4, 16, 16)
    out = modulated_convolution(maps, weight, 10 * torch.rand(64, 4) + 0.1)
    assert out[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1.0, rel=0.05)


def test_the_filter_by_hand():
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    spike = torch.zeros(1, 2, 7, 7)
    spike[0, 1, 3, 3] = 1.0
    blurred = Blur(2)(spike)
    assert blurred.shape == (1, 2, 8, 8)
    assert not blurred[0, 0].any()
    torch.testing.assert_close(blurred[0, 1, 2:6, 2:6], torch.outer(line, line))
    flat = torch.ones(1, 2, 8, 8)
    for layer in (Resample(up=True), Resample(up=False), Blur(1)):
        torch.testing.assert_close(layer(flat)[:, :, 2:-2, 2:-2], torch.ones_like(layer(flat)[:, :, 2:-2, 2:-2]))
    assert Resample(up=True)(flat).shape[2:] == (16, 16)
    assert Resample(up=False)(flat).shape[2:] == (4, 4)


def test_transposed_convolution_then_blur_is_upsampling_then_convolution():
    """Both are linear and commute away from the border; the filter after a transposed convolution has a gain of 4."""
    maps, weight, _ = setup_of()
    ours = 4 * Blur(1)(conv_transpose2d(maps, weight.transpose(0, 1), stride=2))
    direct = conv2d(Resample(up=True)(maps), weight.flip((2, 3)), padding=1)
    torch.testing.assert_close(ours[:, :, 2:-2, 2:-2], direct[:, :, 2:-2, 2:-2], rtol=1e-4, atol=1e-4)


def test_a_convolution_that_halves_filters_first():
    torch.manual_seed(0)
    layer = ActivatedConv2d(3, 4, 3, gain=0.5, down=True)
    torch.nn.init.normal_(layer.bias)
    maps = torch.randn(2, 3, 8, 8)
    wanted = conv2d(Blur(2)(maps), layer.weight / math.sqrt(27), layer.bias, stride=2)
    torch.testing.assert_close(layer(maps), 0.5 * math.sqrt(2) * leaky_relu(wanted, 0.2))
    assert layer(maps).shape == (2, 4, 4, 4)


def test_activated_linear_by_hand():
    torch.manual_seed(0)
    layer = ActivatedLinear(6, 3, rate=0.01)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(4, 6)
    wanted = x @ layer.weight.t() * 0.01 / math.sqrt(6) + 0.01 * layer.bias
    torch.testing.assert_close(layer(x), math.sqrt(2) * leaky_relu(wanted, 0.2))
    assert layer.weight.std() > 30  # N(0, 100^2), so that a step of the optimiser is a hundredth


def test_the_mapping_normalises_latents_and_appends_classes():
    torch.manual_seed(0)
    latent, classes = torch.randn(5, 8), torch.eye(3)[[0, 1, 2, 0, 1]]
    plain = Mapping(8, 6, 2)
    torch.testing.assert_close(plain(latent), plain(7 * latent))
    conditional = Mapping(8, 6, 2, classes=3)
    assert conditional.layers[0].in_features == 14
    assert not torch.equal(conditional(latent, classes), conditional(latent, classes.roll(1, 1)))
    assert Mapping(0, 6, 1, classes=3)(None, classes).shape == (5, 6)


def test_mapping_and_styles_stay_in_float32():
    mapping, affine = Mapping(8, 6, 2), EqualisedLinear(6, 3, offset=1.0)
    latent = torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        style = mapping(latent)
        found = style_of(affine, style)
    assert torch.equal(style, mapping(latent))
    assert torch.equal(found, affine(style))


def test_noise_is_drawn_for_every_image_while_training_and_fixed_in_evaluation():
    torch.manual_seed(0)
    noise, maps = Noise(5, channels=3), torch.zeros(2, 3, 5, 5)
    assert torch.equal(noise(maps), maps)  # of strength 0
    with torch.no_grad():
        noise.strength.copy_(torch.tensor([1.0, 2.0, 0.0]))
    drawn = noise(maps, gain=2.0)
    torch.testing.assert_close(drawn[:, 1], 2 * drawn[:, 0])
    assert not drawn[:, 2].any()
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(noise(maps), noise(maps))
    noise.eval()
    torch.testing.assert_close(noise(maps, gain=2.0)[:, 0], (2 * noise.fixed).expand(2, 5, 5))
