"""Networks of any size: their shapes, and that they are TensorFlow's "SAME" padding on images turned by 180 degrees."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from papergan.data.images import ImageSpec
from papergan.networks.convolutional.halving import HalvingDiscriminator, HalvingGenerator, halved


def test_sizes_are_halved_and_rounded_up():
    assert halved(28, 4) == [28, 14, 7, 4, 2]
    assert halved(32, 3) == [32, 16, 8, 4]


@pytest.mark.parametrize(("kernel", "refine"), [(3, True), (5, False)])
@pytest.mark.parametrize("size", [28, 32])
def test_shapes_and_weights(kernel, refine, size):
    images = ImageSpec(3, size)
    generator = HalvingGenerator(images, 6, 2, kernel=kernel, refine=refine)
    assert tuple(generator(torch.randn(5, 6)).shape) == (5, 3, size, size)
    discriminator = HalvingDiscriminator(images, 2, stages=3, kernel=kernel, slope=0.3, normalise_first=True)
    output = discriminator(torch.randn(5, 3, size, size))
    assert tuple(output.score.shape) == (5,)
    assert tuple(output.features[0].shape) == (5, 8, -(-size // 8), -(-size // 8))
    assert all(layer.weight.abs().max() <= 0.04 for layer in discriminator.modules() if hasattr(layer, "kernel_size"))


def same(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """TensorFlow's convolution of stride 2 with padding "SAME": what cannot be shared evenly is right and below."""
    size, kernel = images.shape[2], weight.shape[2]
    total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    before, after = total // 2, total - total // 2
    return functional.conv2d(functional.pad(images, (before, after, before, after)), weight, stride=2)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [4, 7, 14, 28])
def test_padding_is_that_of_tensorflow_on_turned_images(kernel, size):
    turn = (2, 3)
    images, weight = torch.randn(2, 3, size, size), torch.randn(4, 3, kernel, kernel)
    network = HalvingDiscriminator(ImageSpec(3, size), 4, stages=1, kernel=kernel, slope=0.2, normalise_first=True)
    first = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(weight)
        mine = first(images)
    torch.testing.assert_close(mine.flip(turn), same(images.flip(turn), weight.flip(turn)))
    small = torch.randn(mine.shape, requires_grad=False)
    up = functional.conv_transpose2d(small, weight, stride=2, padding=kernel // 2, output_padding=1 - size % 2)
    images.requires_grad_()  # a transposed convolution is the gradient of a convolution
    (theirs,) = torch.autograd.grad(same(images.flip(turn), weight.flip(turn)), images, small.flip(turn))
    torch.testing.assert_close(up, theirs)
