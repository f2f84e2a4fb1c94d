"""The synthesis network of StyleGAN against its formulas."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import conv2d, interpolate

from papergan.data.images import ImageSpec
from papergan.networks.layers.styles import Noise
from papergan.networks.style_based.stylegan import AdaIN, AdaINSynthesis, Doubled


def test_adain_by_hand():
    torch.manual_seed(0)
    layer, x, w = AdaIN(4, 6), 3 + 2 * torch.randn(2, 4, 5, 5), torch.randn(2, 6)
    style = w @ layer.affine.weight.t() / math.sqrt(6) + layer.affine.bias
    mean, deviation = x.mean((2, 3), keepdim=True), x.std((2, 3), correction=0, keepdim=True)
    scale, shift = style[:, :4, None, None], style[:, 4:, None, None]
    torch.testing.assert_close(layer(x, w), (1 + scale) * (x - mean) / deviation + shift, rtol=1e-4, atol=1e-5)
    assert not torch.equal(layer(x, w), layer(x, w.flip(0)))


def test_doubling_is_nearest_neighbours_then_the_convolution_then_the_filter_of_the_authors():
    torch.manual_seed(0)
    layer, x = Doubled(3, 4), torch.randn(2, 3, 6, 6)
    direct = conv2d(interpolate(x, scale_factor=2), layer.weight.flip((2, 3)) * layer.scale, padding=1)
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    filtered = conv2d(direct, torch.outer(line, line).expand(4, 1, 3, 3), padding=1, groups=4)
    assert layer(x).shape == (2, 4, 12, 12)
    torch.testing.assert_close(layer(x)[:, :, 2:-2, 2:-2], filtered[:, :, 2:-2, 2:-2], rtol=1e-4, atol=1e-5)


def test_every_layer_has_a_style_noise_per_channel_and_the_constant_is_one_at_first():
    torch.manual_seed(0)
    synthesis = AdaINSynthesis(ImageSpec(3, 16, 0), 6, 128, 8).eval()
    assert synthesis.num_layers == 6
    assert bool((synthesis.constant == 1).all())
    with torch.no_grad():
        synthesis.layers[0].noise.strength.normal_()  # a constant without noise has no deviation to normalise
    styles = torch.randn(2, 6, 6, requires_grad=True)
    images = synthesis(styles)
    assert images.shape == (2, 3, 16, 16)
    (gradient,) = torch.autograd.grad(images.square().sum(), styles)
    assert bool((gradient.abs().amax(dim=(0, 2)) > 0).all())
    strengths = [len(layer.strength) for layer in synthesis.modules() if isinstance(layer, Noise)]
    assert strengths == [8, 8, 8, 8, 8, 8]
