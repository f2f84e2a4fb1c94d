"""Corruptions of real images, at several strengths: damage, dropped classes, duplicates, copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.reference import reference_rows
from papergan.metrics.random_subsets import resampled_rows
from papergan.randomness import seed_for


@dataclass(frozen=True)
class Corruption:
    """One kind of damage at several strengths, the first of which is none.

    name, unit: for tables and figures. apply: `count` images uint8 [count, C, S, S] of these splits at this strength;
    held-out ones are damaged, so that without damage they are what the best possible generator could draw.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[ImageSplits, int, float], Tensor]


def undamaged(images: ImageSplits, count: int) -> Tensor:
    """`count` of the test images, the same ones every time."""
    return images.test.images[reference_rows(len(images.test), count)]


def max_images(test: ImageSet) -> int:
    """How many images a case can have at most, so that a fifth of the classes still fills it without duplicates."""
    sizes = torch.bincount(test.labels, minlength=max(1, len(test.classes)))
    return int(sizes[: _kept(len(sizes), 0.8)].sum())


def _blurred(images: ImageSplits, count: int, sigma: float) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur

    pixels = undamaged(images, count)
    return gaussian_blur(pixels, 2 * round(3 * sigma) + 1, sigma) if sigma else pixels


def _noisy(images: ImageSplits, count: int, deviation: float) -> Tensor:
    pixels = undamaged(images, count).float()
    noise = torch.randn(pixels.shape, generator=_generator("noise")) * deviation
    return (pixels + noise).round_().clamp_(0, 255).to(torch.uint8)


def _without_classes(images: ImageSplits, count: int, share: float) -> Tensor:
    if not images.test.classes:
        raise EvaluationError(f"{images.test.name} has no classes to drop; metric_sanity needs a labelled data set")
    rows = (images.test.labels < _kept(len(images.test.classes), share)).nonzero().flatten()
    return images.test.images[rows[reference_rows(len(rows), count)]]


def _kept(num_classes: int, share: float) -> int:
    return max(1, round(num_classes * (1 - share)))


def _repeated(images: ImageSplits, count: int, times: float) -> Tensor:
    few = undamaged(images, count)[: max(1, round(count / times))]
    return _shuffled(few[torch.arange(count) % len(few)])


def _copied(images: ImageSplits, count: int, share: float) -> Tensor:
    pixels, copies = undamaged(images, count).clone(), round(count * share)
    pixels[:copies] = images.train.images[resampled_rows(len(images.train), copies, 0, "corruption", "copies")]
    return _shuffled(pixels)


def _garbage(images: ImageSplits, count: int, share: float) -> Tensor:
    pixels, spoilt = undamaged(images, count).clone(), round(count * share)
    shape = (spoilt, *pixels.shape[1:])
    pixels[:spoilt] = torch.randint(0, 256, shape, generator=_generator("garbage")).to(torch.uint8)
    return _shuffled(pixels)


def _shuffled(pixels: Tensor) -> Tensor:
    """Shuffle images, so that their order does not show which are corrupted."""
    return pixels[torch.randperm(len(pixels), generator=_generator("order"))]


def _generator(purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_for(0, "corruption", purpose))


CORRUPTIONS = (
    Corruption("blur", "deviation of the gaussian, pixels", (0, 0.5, 1, 2), _blurred),
    Corruption("noise", "deviation of the noise, grey levels", (0, 4, 8, 16, 32), _noisy),
    Corruption("dropped classes", "share of the classes", (0, 0.2, 0.4, 0.6, 0.8), _without_classes),
    Corruption("duplicates", "times each image occurs", (1, 2, 10, 100), _repeated),
    Corruption("copies of the training set", "share of the samples", (0, 0.25, 0.5, 1), _copied),
    Corruption("garbage", "share of uniform noise", (0, 0.1, 0.3, 0.5), _garbage),
)
