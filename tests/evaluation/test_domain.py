from __future__ import annotations

import logging

import pytest
import torch

from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.domain import DomainExtractor
from papergan.evaluation.domain_training import train_domain_classifier
from papergan.evaluation.evaluate import score_samples
from papergan.evaluation.reference import build_reference
from papergan.weights import Weights

WIDTHS = (8, 8, 16, 16)


def patches(split: str, count: int, seed: int, channels: int = 3, size: int = 16) -> ImageSet:
    """Noise with one bright square per image, in one of four quarters: the label."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 80, (count, channels, size, size), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, 4, (count,), generator=draw)
    half = size // 2
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = half * (label // 2), half * (label % 2)
        image[:, top + 1 : top + half - 1, left + 1 : left + half - 1] += 120
    return ImageSet(f"patches/{split}", images, labels, ("nw", "ne", "sw", "se"))


@pytest.fixture(scope="module")
def splits() -> ImageSplits:
    return ImageSplits(patches("train", 800, 0), patches("test", 200, 1))


@pytest.fixture(scope="module")
def weights(splits: ImageSplits) -> Weights:
    return trained(splits)


def trained(splits: ImageSplits, seed: int = 0, **options: float) -> Weights:
    return train_domain_classifier(
        splits.train, splits.test, epochs=6, widths=WIDTHS, seed=seed, flip=False, batch_size=50, **options
    )


def test_learns_a_simple_problem_and_says_what_it_learned(weights: Weights, splits: ImageSplits) -> None:
    about = weights.metadata
    assert float(about["test_accuracy"]) > 0.9
    assert about["dataset"] == "patches/train"
    assert about["data_digest"] == splits.train.digest
    assert (about["channels"], about["size"], about["epochs"]) == ("3", "16", "6")


def test_features_are_scaled_on_the_training_images(weights: Weights, splits: ImageSplits) -> None:
    seen = DomainExtractor.from_weights(weights)(splits.train.images)
    assert seen.features.shape == (800, sum(WIDTHS[1:]))
    assert seen.features.dtype == seen.logits.dtype == torch.float32
    torch.testing.assert_close(seen.features.mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    alive = seen.features.std(0) > 0
    torch.testing.assert_close(seen.features.std(0)[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0)


def test_stored_accuracy_is_that_of_the_extractor(weights: Weights, splits: ImageSplits) -> None:
    predicted = DomainExtractor.from_weights(weights)(splits.test.images).logits.argmax(1)
    accuracy = float((predicted == splits.test.labels).double().mean())
    assert f"{accuracy:.4f}" == weights.metadata["test_accuracy"]


def test_the_distance_grows_with_the_damage_and_the_score_with_the_classes(
    weights: Weights, splits: ImageSplits
) -> None:
    extractor = DomainExtractor.from_weights(weights)
    references = build_reference(splits, [extractor], batch_size=200)
    draw = torch.Generator().manual_seed(5)
    pixels = splits.test.images.float()
    noise = torch.randn(pixels.shape, generator=draw)
    damaged = [(pixels + sd * noise).round().clamp(0, 255).to(torch.uint8) for sd in (0, 8, 16, 48)]
    distances = [score_samples([images], [extractor], references, splits=1)["domain_fid"] for images in damaged]
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(references["domain"].floor, rel=1e-6)
    one_class = splits.train.images[splits.train.labels == 0]
    alone = score_samples([one_class], [extractor], references, splits=1)
    whole = score_samples([splits.train.images], [extractor], references, splits=1)
    assert alone["domain_is_mean"] < 1.5 < 3 < whole["domain_is_mean"] <= 4
    assert whole["domain_fid"] == pytest.approx(0, abs=1e-6)


def test_the_seed_decides_and_the_random_state_of_the_caller_stays(weights: Weights, splits: ImageSplits) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    again = trained(splits)
    assert torch.equal(before, torch.get_rng_state())
    DomainExtractor.from_weights(again)
    assert torch.equal(before, torch.get_rng_state())
    assert again.digest == weights.digest
    assert trained(splits, seed=1).digest != weights.digest


def test_too_little_accuracy_warns(splits: ImageSplits, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        trained(splits, min_accuracy=0.0)
        assert not caplog.text
        trained(splits, min_accuracy=1.01)
    assert "do not trust" in caplog.text


def test_epochs_are_reported(splits: ImageSplits) -> None:
    seen: list[tuple[int, float]] = []
    train_domain_classifier(
        splits.train, splits.test, epochs=2, widths=WIDTHS, batch_size=100, flip=False,
        on_epoch=lambda epoch, metrics: seen.append((epoch, metrics["accuracy"])),
    )  # fmt: skip
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert all(0 <= accuracy <= 1 for _, accuracy in seen)


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 8)])
def test_grey_and_tiny_images(channels: int, size: int) -> None:
    train, test = (patches(split, 60, seed, channels, size) for seed, split in enumerate(("train", "test")))
    weights = train_domain_classifier(train, test, epochs=1, widths=WIDTHS, batch_size=250)
    seen = DomainExtractor.from_weights(weights)(test.images)
    assert bool(seen.features.isfinite().all())
    with pytest.raises(EvaluationError, match="trained on"):
        DomainExtractor.from_weights(weights)(torch.zeros(1, 3, 20, 20, dtype=torch.uint8))


def test_what_is_no_classifier_is_refused(weights: Weights, splits: ImageSplits) -> None:
    with pytest.raises(EvaluationError, match="holds no domain classifier"):
        DomainExtractor.from_weights(Weights(weights.tensors, {"kind": "generator"}))
    with pytest.raises(EvaluationError, match="does not fit"):
        DomainExtractor.from_weights(Weights(weights.tensors, {**weights.metadata, "widths": "[8, 8]"}))
    unlabelled = ImageSet("emoji/train", splits.train.images, torch.zeros(800, dtype=torch.int64))
    with pytest.raises(EvaluationError, match="labelled"):
        train_domain_classifier(unlabelled, unlabelled, epochs=1, widths=WIDTHS)
