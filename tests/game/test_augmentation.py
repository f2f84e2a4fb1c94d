"""DiffAugment: what each step does to an image, and that gradients flow twice."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from papergan.game import affine_resampling
from papergan.game.affine_resampling import BYTES_AT_ONCE, transposed_in_order, warp
from papergan.game.augmentation import DiffAugment, color, cutout, rotation, translation


def images(count: int = 64, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_translation_shifts_by_whole_pixels_up_to_an_eighth_and_fills_with_grey():
    torch.manual_seed(0)
    before = images(200)
    after = translation(before)
    shifts = set()
    for x, y in zip(before, after, strict=True):
        found = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.allclose(_shifted(x, down, right), y, atol=1e-6)
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert {down for down, _ in shifts} == set(range(-4, 5))
    assert {right for _, right in shifts} == set(range(-4, 5))


def _shifted(x: torch.Tensor, down: int, right: int) -> torch.Tensor:
    out = torch.zeros_like(x)
    rows, columns = range(max(0, down), min(32, 32 + down)), range(max(0, right), min(32, 32 + right))
    out[:, rows.start : rows.stop, columns.start : columns.stop] = x[
        :, rows.start - down : rows.stop - down, columns.start - right : columns.stop - right
    ]
    return out


def test_cutout_blanks_one_square_of_half_the_side_clipped_at_the_border():
    torch.manual_seed(0)
    holes = (cutout(images(500) + 5.0) == 0).all(dim=1)
    for hole in holes:
        rows, columns = hole.any(1).nonzero().flatten(), hole.any(0).nonzero().flatten()
        assert hole.sum() == len(rows) * len(columns)  # a rectangle
        assert 8 <= len(rows) <= 16
        assert 8 <= len(columns) <= 16
    areas = holes.flatten(1).sum(1)
    assert areas.max() == 256  # some whole
    assert areas.min() < 130  # some clipped


@pytest.mark.parametrize(("size", "least", "side"), [(8, 2, 4), (9, 3, 5)])
def test_cutout_is_clipped_alike_at_all_four_borders(size, least, side):
    torch.manual_seed(0)
    holes = (cutout(torch.ones(2000, 1, size, size)) == 0)[:, 0]
    for rows in (holes.any(2), holes.any(1)):
        for border in (rows[:, 0], rows[:, -1]):
            assert set(rows[border].sum(1).tolist()) == set(range(least, side + 1))


def test_color_keeps_the_order_and_ranges_of_the_authors():
    torch.manual_seed(0)
    flat = torch.full((4000, 3, 4, 4), 0.2)
    shifts = color(flat).mean(dim=(1, 2, 3)) - 0.2  # a constant image feels brightness only
    assert shifts.min().item() == pytest.approx(-0.5, abs=0.01)
    assert shifts.max().item() == pytest.approx(0.5, abs=0.01)
    grey = torch.linspace(-1, 1, 16).view(1, 1, 4, 4).repeat(4000, 3, 1, 1)
    contrast = color(grey).std(dim=(2, 3))[:, 0] / grey[0, 0].std()  # saturation does nothing to grey
    assert contrast.min().item() == pytest.approx(0.5, abs=0.01)
    assert contrast.max().item() == pytest.approx(1.5, abs=0.01)


def test_saturation_is_about_grey_and_contrast_about_the_mean_of_the_whole_image():
    torch.manual_seed(0)
    coloured = color(torch.tensor([0.1, 0.0, -0.1]).view(1, 3, 1, 1).expand(8000, 3, 2, 2))
    apart = (coloured[:, 0, 0, 0] - coloured[:, 2, 0, 0]) / 0.2  # U(0, 2) * U(0.5, 1.5)
    assert apart.min().item() == pytest.approx(0.0, abs=0.01)
    assert 2.75 < apart.max().item() < 3.0
    assert apart.mean().item() == pytest.approx(1.0, abs=0.03)
    torch.testing.assert_close(coloured[:, 1], coloured.mean(1), atol=1e-6, rtol=0)


def test_rotation_turns_about_the_centre_by_at_most_fifteen_degrees():
    torch.manual_seed(0)
    dot = torch.zeros(300, 1, 33, 33)
    dot[:, 0, 16, 28:31] = 1.0  # 13 pixels right of the centre
    turned = rotation(dot)
    rows = torch.arange(33.0)
    heights = (turned.sum(3)[:, 0] * rows).sum(1) / turned.sum((1, 2, 3)) - 16
    assert heights.abs().max().item() == pytest.approx(13 * 0.2588, abs=0.5)  # sin 15 degrees
    assert heights.min() < -2.5
    assert heights.max() > 2.5


def test_warp_without_motion_is_the_identity():
    affine = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]).repeat(4, 1, 1)
    x = images(4)
    for mode, padding in (("nearest", "zeros"), ("bilinear", "reflection")):
        torch.testing.assert_close(warp(x, affine, mode=mode, padding=padding), x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [None, 9])
def test_warp_takes_the_coordinates_of_torch(size):
    affine = torch.eye(2, 3) + 0.3 * torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    x, side = images(4)[..., :20], size or 32
    grid = functional.affine_grid(affine, [4, 3, side, size or 20], align_corners=False)
    wanted = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(
        warp(x, affine, mode="bilinear", padding="reflection", size=size), wanted, atol=1e-4, rtol=0
    )


def test_warp_has_first_and_second_derivatives():
    x = torch.rand(2, 1, 5, 5, dtype=torch.float64).float().requires_grad_()
    affine = torch.tensor([[[0.9, -0.2, 0.1], [0.2, 0.9, -0.1]]]).repeat(2, 1, 1)

    def energy(y: torch.Tensor) -> torch.Tensor:
        return (warp(y, affine, mode="bilinear", padding="zeros") ** 3).sum()

    (first,) = torch.autograd.grad(energy(x), x, create_graph=True)
    direction = torch.randn_like(x)
    (second,) = torch.autograd.grad((first * direction).sum(), x)
    step = 1e-2
    up = torch.autograd.grad(energy(x + step * direction), x)[0]
    down = torch.autograd.grad(energy(x - step * direction), x)[0]
    torch.testing.assert_close(second, (up - down) / (2 * step), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("policy", ["color", "translation,cutout", "rotation,color,crop"])
def test_every_image_gets_its_own_draw_and_seeds_repeat_it(policy):
    same = images(1).repeat(8, 1, 1, 1)
    augment = DiffAugment(policy)
    torch.manual_seed(4)
    first = augment(same)
    torch.manual_seed(4)
    assert torch.equal(first, augment(same))
    assert len({tuple(row.flatten().tolist()) for row in first}) == 8


def test_gradients_reach_the_images():
    x = images(4).requires_grad_()
    torch.manual_seed(0)
    DiffAugment("color,translation,cutout").__call__(x).square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_a_plus_sign_separates_steps_too():
    assert DiffAugment("color+cutout").steps == DiffAugment("color, cutout").steps == [color, cutout]


@pytest.mark.parametrize("policy", ["", "colour", "color,cutuot"])
def test_unknown_policies_are_refused_with_close_matches(policy):
    with pytest.raises(ValueError, match="unknown augmentation"):
        DiffAugment(policy)


class LivingBytes(TorchDispatchMode):
    """The most bytes of tensors that lived at once, of those that were made inside."""

    def __init__(self):
        super().__init__()
        self.living, self.most = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.living = [one for one in self.living if one() is not None] + [weakref.ref(result)]
        storages = [living().untyped_storage() for living in self.living]
        self.most = max(self.most, sum({one._cdata: one.nbytes() for one in storages}.values()))
        return result


def test_an_ordered_derivative_holds_no_more_than_it_says_whatever_the_sizes():
    for inputs, outputs in ((138, 74), (32, 32), (64, 256)):  # the first is ADA's for images of 32x32
        gradient = torch.empty(8, 3, outputs, outputs, device="meta")
        grid = torch.empty(8, outputs, outputs, 2, device="meta")
        with LivingBytes() as memory:
            transposed_in_order(gradient, grid, torch.Size((8, 3, inputs, inputs)), 0, 2)
        own = 8 * 3 * inputs**2 * 4 + 2 * gradient.nbytes
        assert 0.1 * BYTES_AT_ONCE < memory.most < BYTES_AT_ONCE + own


@pytest.mark.parametrize("limit", [1, 5000, 2**28])
def test_an_ordered_derivative_is_the_same_in_parts(limit, monkeypatch):
    monkeypatch.setattr(affine_resampling, "BYTES_AT_ONCE", limit)
    torch.manual_seed(0)
    shape, gradient = torch.Size((3, 2, 7, 7)), torch.randn(3, 2, 5, 5)
    grid = functional.affine_grid(torch.randn(3, 2, 3), [3, 2, 5, 5], align_corners=False)
    wanted, _ = torch.ops.aten.grid_sampler_2d_backward(gradient, torch.empty(shape), grid, 0, 2, False, [True, False])
    torch.testing.assert_close(transposed_in_order(gradient, grid, shape, 0, 2), wanted, rtol=1e-5, atol=1e-5)
