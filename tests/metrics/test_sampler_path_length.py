"""The path length of a sampler whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.toy_extractor import PixelExtractor
from papergan.game.priors import Uniform
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.metrics.sampler_path_length import sampler_path_length


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


def test_it_grows_with_the_square_and_is_zero_for_a_collapsed_generator() -> None:
    assert length(0.5) == pytest.approx(4 * length(0.25), rel=1e-2)
    assert length(0.0) == 0


def test_a_source_that_is_no_prior_has_no_way_between_latents() -> None:
    sampler = Sampler(nn.Identity(), Plain(1.0))
    assert sampler_path_length(sampler, PixelExtractor(), count=4, seed=0, progress=Progress()) is None
