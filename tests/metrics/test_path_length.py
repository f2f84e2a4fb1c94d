from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.game.priors import Gaussian, Uniform
from papergan.metrics.path_length import path_lengths, trimmed_mean

STEP = 2.0**-13  # with whole latents and positions in eighths, z(t) and z(t + STEP) are exact in float32


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def positions(count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(3))


def line(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
    return start + position[:, None] * (end - start)


def images_of(weights: Tensor, latents: Tensor) -> Tensor:
    return latents.double() @ weights.double().T


def itself(images: Tensor) -> Tensor:
    return images


def whole(count: int, seed: int) -> Tensor:
    return torch.randint(-8, 9, (count, 5), generator=torch.Generator().manual_seed(seed)).float()


def test_a_linear_generator_has_the_length_of_its_straight_path() -> None:
    weights, start, end = random(7, 5), whole(20, seed=1), whole(20, seed=2)
    position = torch.arange(20).remainder(8) / 8
    found = path_lengths(lambda z: images_of(weights, z), itself, line, start, end, position, epsilon=STEP)
    assert found.dtype == torch.float64
    expected = images_of(weights, end - start).square().sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_the_default_step_agrees_to_the_rounding_of_float32_latents() -> None:
    weights, start, end = random(7, 5), random(500, 5, seed=1), random(500, 5, seed=2)
    found = path_lengths(lambda z: images_of(weights, z), itself, Uniform(5).between, start, end, positions(500))
    assert float(found.mean()) == pytest.approx(float(images_of(weights, end - start).square().sum(1).mean()), rel=1e-3)


def test_a_constant_generator_is_perfectly_smooth() -> None:
    start, end = random(9, 5, seed=1), random(9, 5, seed=2)
    found = path_lengths(lambda z: torch.ones(len(z), 3), itself, line, start, end, positions(9))
    assert torch.equal(found, torch.zeros(9, dtype=torch.float64))


def test_on_the_sphere_the_speed_is_the_angle() -> None:
    """Between unit vectors, |dz/dt| is the angle between them, at every position."""
    start, end = (torch.nn.functional.normalize(random(200, 6, seed=seed)) for seed in (1, 2))
    angle = (start.double() * end.double()).sum(1).arccos()
    found = path_lengths(itself, itself, Gaussian(6).between, start, end, positions(200), epsilon=1e-2)
    torch.testing.assert_close(found, angle.square(), rtol=1e-4, atol=0)


def test_agrees_with_torchmetrics_on_a_smooth_generator() -> None:
    """Theirs starts every path at its beginning and maps images of 0..255 to [-1, 1]."""
    functional = pytest.importorskip("torchmetrics.functional.image.perceptual_path_length")

    class Wave(torch.nn.Module):
        def forward(self, latents: Tensor) -> Tensor:
            return (127.5 + 100 * latents[:, :, None, None].double().sin()).expand(-1, 3, 4, 4)

        def sample(self, count: int) -> Tensor:
            return torch.randn(count, 3, dtype=torch.float64, generator=draw)

    class Squared(torch.nn.Module):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            return (first - second).square().sum((1, 2, 3))

    draw = torch.Generator().manual_seed(4)
    options = {"interpolation_method": "lerp", "resize": None, "lower_discard": None, "upper_discard": None}
    _, _, theirs = functional.perceptual_path_length(
        Wave(), 300, batch_size=300, epsilon=1e-3, sim_net=Squared(), **options
    )
    draw.manual_seed(4)
    start, end = Wave().sample(300), Wave().sample(300)
    ours = path_lengths(Wave(), lambda x: (x / 127.5 - 1).flatten(1), line, start, end, torch.zeros(300), epsilon=1e-3)
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), rel=1e-3)


def test_between_is_called_in_float64_and_the_generator_gets_float32() -> None:
    seen = []

    def between(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        seen.extend([start.dtype, end.dtype, position.dtype])
        return line(start, end, position)

    def generate(latents: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        seen.append(latents.dtype)
        return latents

    path_lengths(generate, itself, between, random(2, 5), random(2, 5, seed=1), positions(2))
    assert seen == 2 * [torch.float64, torch.float64, torch.float64, torch.float32]


def test_rounded_images_are_refused_because_they_destroy_the_metric() -> None:
    start, end, position = random(500, 5), random(500, 5, seed=1), positions(500)

    def rounded(images: Tensor) -> Tensor:
        return (images * 40).round() / 40

    smooth = path_lengths(itself, itself, line, start, end, position)
    rough = path_lengths(rounded, itself, line, start, end, position)  # 0, or a whole level within one step
    assert float(rough.median()) == 0
    assert float(rough.mean()) > 50 * float(smooth.mean())
    with pytest.raises(EvaluationError, match="uint8; do not round"):
        path_lengths(lambda z: z.to(torch.uint8), itself, line, start, end, position)


def test_what_cannot_be_measured_is_refused() -> None:
    start, end, position = random(4, 5), random(4, 5, seed=1), positions(4)
    with pytest.raises(EvaluationError, match=r"positions \[B\]"):
        path_lengths(itself, itself, line, start, end, position[:, None])
    with pytest.raises(EvaluationError, match=r"\[0, 1\)"):
        path_lengths(itself, itself, line, start, end, torch.ones(4))
    with pytest.raises(EvaluationError, match="step"):
        path_lengths(itself, itself, line, start, end, position, epsilon=0)
    for embed in (lambda images: images * float("nan"), lambda images: images[0], lambda images: images[:2]):
        with pytest.raises(EvaluationError, match=r"finite \[4, D\]"):
            path_lengths(itself, embed, line, start, end, position)


@pytest.mark.parametrize("count", [1, 50, 101, 1000])
def test_the_trimmed_mean_agrees_with_the_percentiles_of_the_papers_code(count: int) -> None:
    lengths = random(count, seed=7).exp().numpy()
    low, high = np.percentile(lengths, 1, method="lower"), np.percentile(lengths, 99, method="higher")
    expected = lengths[(lengths >= low) & (lengths <= high)].mean(dtype=np.float64)
    assert trimmed_mean(torch.from_numpy(lengths)) == pytest.approx(expected, rel=1e-12)


def test_the_trimmed_mean_by_hand() -> None:
    lengths = torch.cat([torch.arange(1.0, 100.0), torch.tensor([1e9, -1e9])])  # 101: quantiles at 1 and at 99
    assert trimmed_mean(lengths) == 50
    assert trimmed_mean(torch.arange(5.0), low=0.25, high=1) == 2.5  # both ends are included
    with pytest.raises(EvaluationError, match="N >= 1"):
        trimmed_mean(torch.zeros(0))
    with pytest.raises(EvaluationError, match="low <= high"):
        trimmed_mean(lengths, low=0.9, high=0.1)
