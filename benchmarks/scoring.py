"""FID from statistics compared with the usual way, and the parts of an evaluation during training; see metrics.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from papergan import systems
from papergan.config.evaluation import EvaluationSettings
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.evaluation.compute_metrics import score_features
from papergan.evaluation.image_features import extract_features
from papergan.evaluation.pixel_metrics import num_images_kept, score_pixels
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.extractors.domain_classifier import DomainClassifier, DomainExtractor
from papergan.extractors.feature_extractor import Features
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator


def print_distances(dimension: int, repeats: int) -> None:
    """Print a row per kind of covariances; the reference's root is cached, as it is from the second distance on."""
    print("| covariances | ours, s | sqrtm, s | ratio | error of ours | error of sqrtm |\n|---|---|---|---|---|---|")
    for name, first, second, expected in pairs(dimension):
        second.root  # noqa: B018 - kept from now on
        ours, found = best(partial(distance_of_new, first, second), repeats)
        theirs, usual = best(partial(by_sqrtm, first, second), repeats)
        errors = f"{abs(found - expected):.1e} | {abs(usual - expected):.1e}"
        print(f"| {name} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f} | {errors} |", flush=True)


def distance_of_new(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """The distance of samples that were never compared before: without a kept root of theirs."""
    return frechet_distance(FeatureStatistics.from_tensors(first.to_tensors()), second)


def pairs(dimension: int) -> Iterator[tuple[str, FeatureStatistics, FeatureStatistics, float]]:
    """Name, two sets of statistics, and their distance by a formula without a matrix root."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    def spectrum(power: float) -> Tensor:
        basis = torch.linalg.qr(normal(dimension, dimension)).Q
        return basis * torch.arange(1, dimension + 1, dtype=torch.float64) ** -power @ basis.T

    def transported(power: float) -> tuple[FeatureStatistics, FeatureStatistics, float]:
        """For S_2 = T S_1 T with T positive, the root of S_1 S_2 has the trace of S_1 T."""
        first, transport = spectrum(power), spectrum(0.1)
        second = transport @ first @ transport
        distance = float(first.trace() + second.trace() - 2 * (first * transport).sum())
        return gaussian(first), gaussian(second), distance

    yield "well conditioned", *transported(1.0)
    yield "badly conditioned", *transported(4.0)
    few = dimension // 2
    a, b = normal(few, dimension), normal(few, dimension)
    centred = [some - some.mean(0) for some in (a, b)]
    shared = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    spread = sum(some.square().sum() for some in centred) - 2 * shared
    statistics = [FeatureStatistics.of(some) for some in (a, b)]
    yield (
        "singular, half as many features",
        *statistics,
        float((a.mean(0) - b.mean(0)).square().sum() + spread / (few - 1)),
    )
    yield "singular, identical sets", statistics[0], statistics[0], 0.0


def gaussian(covariance: Tensor) -> FeatureStatistics:
    """Statistics with mean 0."""
    return FeatureStatistics.from_tensors(
        {"count": torch.tensor(2), "mean": torch.zeros(len(covariance)), "scatter": covariance}
    )


def by_sqrtm(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """The distance as computed by pytorch-fid and clean-fid."""
    from scipy.linalg import sqrtm

    shared = torch.from_numpy(sqrtm((a.covariance @ b.covariance).numpy()).real.copy()).trace()
    return float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * shared)


def best(run: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Seconds of the fastest run, and the returned value."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = run()
        times.append(time.perf_counter() - started)
    return min(times), value


SAMPLING = "sampling, generator of full width"


def print_evaluation(how: EvaluationSettings, real: int) -> None:
    """Print a row per part of an evaluation during training.

    Networks are untrained and images random, since the content does not change the cost.
    """
    torch.manual_seed(0)
    kind = ImageSpec(3, 32, 10)
    names = tuple("abcdefghij")
    extractor = DomainExtractor(DomainClassifier(kind, (32, 64, 128, 256)), kind, "", "cpu", names)
    rows = torch.randn(real, extractor.dimension)
    known = ImageFeatures("real", "", Features(rows, torch.randn(real, 10)), FeatureStatistics.of(rows))
    references = {
        extractor.name: Reference.between(ExtractorFacts.of(extractor), known, known, "train", how.num_samples)
    }
    rules = how.rules_while_training(0)
    game = systems.build("hybrid", kind, {}, seed=0)
    images = [torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8) for count in (real, 10_000)]
    train, test = (ImageSet("drawn", some, torch.zeros(len(some), dtype=torch.int64), names) for some in images)
    parts: dict[str, float] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        value = run()
        parts[name] = time.perf_counter() - started
        print(f"| {name} | {parts[name]:.1f} |", flush=True)
        return value

    print("| part | seconds |\n|---|---|")
    stream = partial(game.sampler().stream, how.num_samples, seed=0)
    pixels = timed(SAMPLING, lambda: torch.cat([to_pixels(part) for part in stream()]))
    extract = partial(extract_features, keep=num_images_kept(rules), batch_size=how.batch_size)
    samples = timed("features of the samples", lambda: extract(pixels, [extractor]))
    features = samples.features[extractor.name]
    timed("scores of the features", lambda: score_features(features, references[extractor.name], rules))
    timed("scores of the pixels", lambda: score_pixels(samples.pixels, train.images, test.images, rules))
    splits, count = ImageSplits(train, test), how.discriminator_samples
    timed(
        f"the discriminator on 3 times {count} images",
        lambda: measure_discriminator(
            game,
            splits,
            count=count,
            seed=0,
            batch_size=how.batch_size,
            training_batch_size=how.batch_size,
            progress=Progress(),
        ),
    )
    print(f"| all | {sum(parts.values()):.1f} |")
    print(f"| all but the sampling | {sum(parts.values()) - parts[SAMPLING]:.1f} |")
