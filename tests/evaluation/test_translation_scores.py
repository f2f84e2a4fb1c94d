"""Scores of translations: baselines by hand, classes, cycles, and the rows they make."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from papergan.data.degradations import downsampled, masked
from papergan.evaluation.translation_baselines import baselines
from papergan.evaluation.translation_scores import TranslationTest, cycle_error, translated

IMAGES = torch.randint(0, 256, (3, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_a_hole_in_a_flat_image_is_filled_exactly_by_both_baselines():
    flat = torch.full((2, 3, 16, 16), 90, dtype=torch.uint8)
    made = dict(baselines(masked(flat, 6, torch.Generator().manual_seed(0)), 3, (16, 16)))
    assert set(made) == {"mean fill", "nearest fill"}
    assert all(torch.equal(one, flat) for one in made.values())


def test_the_nearest_pixel_fills_from_its_own_side():
    image = torch.zeros(1, 1, 12, 12, dtype=torch.uint8)
    image[..., 6:] = 200
    filled = dict(baselines(masked(image, 4, None), 1, (12, 12)))["nearest fill"]
    assert torch.equal(filled, image)
    mean = dict(baselines(masked(image, 4, None), 1, (12, 12)))["mean fill"]
    assert mean[0, 0, 5, 5] == 100


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_hole_at_the_border_is_not_filled_from_the_other_side(turns):
    image = (10 * torch.arange(8)).expand(1, 1, 8, 8).to(torch.uint8)
    hole = torch.zeros_like(image)
    hole[..., :2] = 255
    inputs = torch.cat([image, hole], dim=1).rot90(turns, (2, 3))
    filled = dict(baselines(inputs, 1, (8, 8)))["nearest fill"]
    assert torch.equal(filled, image.clamp_min(20).rot90(turns, (2, 3)))


@pytest.mark.parametrize(("size", "border"), [(8, 4), (16, 2), (32, 0), (64, 0)])
def test_as_many_pixels_are_cropped_as_images_are_enlarged_by(size, border):
    target, inputs = (SimpleNamespace(spec=SimpleNamespace(size=one)) for one in (32, size))
    assert TranslationTest(target, inputs, None, None)._border == border


def test_smaller_inputs_are_enlarged_and_grey_ones_are_repeated():
    (name, made), *others = baselines(downsampled(IMAGES, 2), 3, (16, 16))
    assert (name, tuple(made.shape), others) == ("bicubic", (3, 3, 16, 16), [])
    ((name, made),) = baselines(IMAGES[:, :1], 3, (16, 16))
    assert name == "input"
    assert torch.equal(made, IMAGES[:, :1].expand(-1, 3, -1, -1))


def test_a_cycle_of_halving_and_doubling_is_lost_nowhere_and_one_of_halving_twice_is():
    class Times(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, images):
            return images * self.factor

    device = torch.device("cpu")
    assert cycle_error(Times(0.5), Times(2.0), IMAGES, device) == pytest.approx(0, abs=1e-5)
    wanted = 0.75 * (IMAGES.double() - 127.5).abs().mean().item()
    assert cycle_error(Times(0.5), Times(0.5), IMAGES, device) == pytest.approx(wanted, rel=1e-4)
    network = Times(1.0).train()
    assert torch.equal(translated(network, IMAGES, device), IMAGES)
    assert network.training
