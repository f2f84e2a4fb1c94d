"""Times each metric: `python benchmarks/metrics.py --samples 10000 --real 50000 --dimension 448`.

Random features and images of the given sizes; each metric alone, in seconds, best of `--repeats`. Prints Markdown.
`--what distance` compares FID from statistics with `scipy.linalg.sqrtm`, in seconds and in error.
`--what evaluation` times the parts of an evaluation during training, hybrid_cifar10 at full width, without Inception.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in papergan.settings, before torch is loaded

import torch

from papergan.config.evaluation import EvaluationSettings
from papergan.data.images import ImageSpec
from papergan.evaluation.image_features import features_of
from papergan.evaluation.pixel_metrics import score_pixels
from papergan.evaluation.protocol import EvaluationRules
from papergan.extractors.domain_classifier import DomainClassifier, DomainExtractor
from papergan.metrics.classes import class_counts, class_divergence, class_entropy, classes_covered
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_deviation, frechet_distance
from papergan.metrics.inception_score import inception_score, modified_inception_score
from papergan.metrics.kernel_distance import kernel_distance, kernel_distance_deviation
from papergan.metrics.memorisation import memorisation
from papergan.metrics.nearest_neighbours import neighbourhoods
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood
from papergan.tracking import provenance
from scoring import print_distances, print_evaluation


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("samples", 10_000), ("real", 50_000), ("dimension", 448), ("size", 32), ("repeats", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--what", choices=("metrics", "distance", "evaluation"), default="metrics")
    given = parser.parse_args()
    if given.what == "metrics" and given.samples < 2000:
        parser.error("--samples: copies and the Parzen window need 2000 of them")
    print(f"{provenance.hardware(torch.device('cpu'))}, torch {torch.__version__}")
    print(
        f"{given.samples} samples against {given.real} real images, {given.dimension} features, {given.size} pixels\n"
    )
    if given.what == "distance":
        return print_distances(given.dimension, given.repeats)
    if given.what == "evaluation":
        return print_evaluation(EvaluationSettings(inception=False, num_samples=given.samples), given.real)
    print("| metric | seconds |\n|---|---|")
    for name, run in work(given.samples, given.real, given.dimension, given.size).items():
        print(f"| {name} | {min(seconds(run) for _ in range(given.repeats)):.2f} |", flush=True)
    return None


def work(samples: int, real: int, dimension: int, size: int) -> dict[str, Callable[[], object]]:
    """All metrics by name, ready to run."""
    torch.manual_seed(0)
    mixing = torch.randn(dimension, dimension) / dimension**0.5
    fakes, reals = (torch.randn(count, dimension) @ mixing for count in (samples, real))
    logits = 3 * torch.randn(samples, 10)
    target = FeatureStatistics.of(reals)
    pixels, train, test = (
        torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8) for count in (samples, real, samples)
    )
    kind = ImageSpec(3, size, 10)
    extractor = DomainExtractor(DomainClassifier(kind, (32, 64, 128, 256)), kind, digest="", device="cpu")
    equal = min(samples, real, 10_000)
    flat = [some.flatten(1).float() / 255 for some in (pixels, test[:1000], test[1000:2000])]

    def classes() -> object:
        counts = class_counts(logits)
        return class_entropy(counts), classes_covered(counts), class_divergence(counts, counts)

    return {
        "domain features of the samples": lambda: features_of(extractor, pixels, 250),
        "statistics and FID": lambda: frechet_distance(FeatureStatistics.of(fakes), target),
        "FID, its deviation": lambda: frechet_deviation(fakes, target),
        "KID, 100 subsets of 1000": lambda: kernel_distance(fakes, reals),
        "KID, 20 bootstrap resamples": lambda: kernel_distance_deviation(fakes, reals),
        "precision, recall, density, coverage, two-sample": lambda: neighbourhoods(fakes[:equal], reals[:equal]),
        "Inception Score, 10 splits": lambda: inception_score(logits),
        "modified Inception Score": lambda: modified_inception_score(logits),
        "class entropy, coverage, divergence": classes,
        "copies in features, 1000 samples": lambda: memorisation(fakes[:1000], fakes[1000:2000], reals),
        "copies in pixels, mirrored too, 1000 samples": lambda: score_pixels(
            pixels, train, test, EvaluationRules(num_samples=samples, memorisation_samples=1000, similarity_pairs=1)
        ),
        "MS-SSIM, 1000 pairs": lambda: score_pixels(pixels, train, test, EvaluationRules(num_samples=samples)),
        "Parzen window with its bandwidth, 1000 points": lambda: parzen_log_likelihood(
            flat[0], flat[1], choose_bandwidth(flat[0], flat[2])
        ),
    }


def seconds(run: Callable[[], object]) -> float:
    """The seconds of one run."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
