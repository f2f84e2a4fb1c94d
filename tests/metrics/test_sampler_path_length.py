"""The path length of a sampler whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.toy_extractor import PixelExtractor
from papergan.game.priors import Uniform, WithDropoutNoise
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.game.style_generator import StyleGenerator, StyleLatents
from papergan.metrics.sampler_path_length import sampler_path_length, style_path_length


class Plain(nn.Module):
    """Image c, p = latent c: the features of the toy extractor are the latent, in grey levels."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, latent: Tensor) -> Tensor:
        return (self.scale * latent)[:, :, None, None].expand(-1, -1, 2, 2)


def length(scale: float, count: int = 400) -> float | None:
    sampler = Sampler(Uniform(3), Plain(scale))
    return sampler_path_length(sampler, PixelExtractor(), count=count, seed=0, progress=Progress())


def test_of_a_linear_generator_it_is_the_squared_distance_of_the_latents() -> None:
    """E |127.5 s (z1 - z0)|^2 = (127.5 s)^2 * 3 * Var(z1 - z0), z ~ U(-1, 1); trimmed by 1 % at either end."""
    assert length(0.5, 4000) == pytest.approx((127.5 * 0.5) ** 2 * 3 * 2 / 3, rel=0.05)


def test_so_few_that_none_are_trimmed_are_the_exact_mean() -> None:
    sampler = Sampler(Uniform(3), Plain(0.5))
    start, end = (sampler.latents(50, 0, f"path {which}", progress=Progress())[0] for which in ("start", "end"))
    expected = (127.5 * 0.5 * (end - start)).square().sum(1).mean()
    assert length(0.5, 50) == pytest.approx(float(expected), rel=2e-3)


def test_it_grows_with_the_square_and_is_zero_for_a_collapsed_generator() -> None:
    assert length(0.5) == pytest.approx(4 * length(0.25), rel=1e-2)
    assert length(0.0) == 0


class Dropped(nn.Module):
    """As `Plain`, with the first component dropped where the noise is below one half."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = Plain(0.5)

    def forward(self, latent: Tensor) -> Tensor:
        kept = torch.cat([(latent[:, 3:4] > 0.5).float(), torch.ones(len(latent), 2)], dim=1)
        image: Tensor = self.plain(latent[:, :3] * kept)
        return image


def test_dropout_noise_does_not_count_since_no_mask_changes_on_a_path() -> None:
    """As for a linear generator; the first component counts half of the time. A change of a mask counts 1e8-fold."""
    sampler = Sampler(WithDropoutNoise(Uniform(3), 1), Dropped())
    found = sampler_path_length(sampler, PixelExtractor(), count=4000, seed=0, progress=Progress())
    assert found == pytest.approx((127.5 * 0.5) ** 2 * 2.5 * 2 / 3, rel=0.07)


def test_a_source_that_is_no_prior_has_no_way_between_latents() -> None:
    sampler = Sampler(nn.Identity(), Plain(1.0))
    assert sampler_path_length(sampler, PixelExtractor(), count=4, seed=0, progress=Progress()) is None


class Halved(nn.Module):
    """A mapping w = z / 2."""

    def forward(self, latent: Tensor, classes: Tensor | None) -> Tensor:
        return latent / 2


class PlainSynthesis(Plain):
    """`Plain` of the first of two layers' styles."""

    num_layers = 2

    def forward(self, styles: Tensor) -> Tensor:
        return super().forward(styles[:, 0])


def test_between_styles_it_is_that_of_straight_lines_in_w() -> None:
    """E |127.5 (z1 - z0) / 2|^2 = (127.5 / 2)^2 * 3 * 2, z ~ N(0, I) of 3 numbers; trimmed by 1 % at either end."""
    sampler = Sampler(StyleLatents(3), StyleGenerator(Halved(), PlainSynthesis(1.0), 3, mixing=0.0, decay=0.9)).eval()
    common = {"count": 4000, "seed": 0, "progress": Progress()}
    found = style_path_length(sampler, PixelExtractor(), **common)
    assert found == pytest.approx((127.5 / 2) ** 2 * 6, rel=0.07)
    start, end = (sampler.latents(4000, 0, f"path {which}", progress=Progress())[0] for which in ("start", "end"))
    squares = (127.5 / 2 * (end - start)).square().sum(1)
    assert found == pytest.approx(float(squares.sort().values[40:-40].mean()), rel=0.01)
    assert sampler_path_length(sampler, PixelExtractor(), **common) != pytest.approx(found, rel=0.02)  # on the sphere


def test_a_generator_without_styles_has_no_path_length_between_them() -> None:
    assert (
        style_path_length(Sampler(Uniform(3), Plain(1.0)), PixelExtractor(), count=4, seed=0, progress=Progress())
        is None
    )
