from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from papergan.data.declarations import ParquetDeclaration, parse_declarations
from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.data.parquet import read_parquet
from papergan.errors import EvaluationError
from papergan.extractors.domain_classifier import DomainClassifier, DomainExtractor, DomainTap
from papergan.extractors.domain_training import alternating_flips, is_near_chance, train_domain_classifier, turned
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.image_range import to_model_range
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.metrics.inception_score import inception_score
from papergan.weights import Weights

ROOT = Path(__file__).parents[2]

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


def statistics_of(extractor: FeatureExtractor, images: Tensor) -> FeatureStatistics:
    statistics = FeatureStatistics(extractor.dimension)
    statistics.update(extractor(images).features)
    return statistics


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
    real = statistics_of(extractor, splits.train.images)
    draw = torch.Generator().manual_seed(5)
    pixels = splits.test.images.float()
    noise = torch.randn(pixels.shape, generator=draw)
    damaged = [(pixels + sd * noise).round().clamp(0, 255).to(torch.uint8) for sd in (0, 8, 16, 48)]
    distances = [frechet_distance(statistics_of(extractor, images), real) for images in damaged]
    assert distances == sorted(distances)
    assert distances[3] > 2 * distances[0]
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    one_class = splits.train.images[splits.train.labels == 0]
    alone = inception_score(extractor(one_class).logits, splits=1)
    whole = inception_score(extractor(splits.train.images).logits, splits=1)
    assert alone.mean < 1.5 < 3 < whole.mean <= 4


def test_the_seed_decides_and_the_random_state_of_the_caller_stays(weights: Weights, splits: ImageSplits) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    again = trained(splits)
    assert torch.equal(before, torch.get_rng_state())
    DomainExtractor.from_weights(again)
    assert torch.equal(before, torch.get_rng_state())
    assert again.digest == weights.digest
    assert trained(splits, seed=1).digest != weights.digest


@pytest.mark.parametrize(
    ("classes", "accuracy", "near"),
    [(10, "0.1", True), (10, "0.32", True), (10, "0.33", False), (2, "0.6", True), (2, "0.63", False), (0, "0.4", True),
     (0, "0.5", False)],
)  # fmt: skip
def test_what_is_near_chance_depends_on_the_number_of_classes_or_of_rotations(
    classes: int, accuracy: str, near: bool
) -> None:
    about = {"classes": json.dumps([str(number) for number in range(classes)]), "test_accuracy": accuracy}
    assert is_near_chance(Weights({}, about)) == near


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
    other = unlabelled(splits.test)
    for train, test in [(splits.train, other), (other, splits.test), (patches("none", 0, 0), splits.test)]:
        with pytest.raises(EvaluationError, match="of one kind"):
            train_domain_classifier(train, test, epochs=1, widths=WIDTHS)


def test_values_are_seen_as_they_are(weights: Weights, splits: ImageSplits) -> None:
    for extractor in (DomainExtractor.from_weights(weights), DomainTap.from_weights(weights)):
        values = splits.test.images.float()
        seen, bytes_seen = extractor.extract_float(values), extractor(splits.test.images)
        assert torch.equal(values, splits.test.images.float())
        assert torch.equal(seen.features, bytes_seen.features)
        assert torch.equal(seen.logits, bytes_seen.logits)
        assert not torch.equal(extractor.extract_float(values + 0.25).features, seen.features)
        with pytest.raises(EvaluationError, match="uint8"):
            extractor(values)


def test_the_tap_is_the_beginning_of_the_features(weights: Weights, splits: ImageSplits) -> None:
    tap, whole = DomainTap.from_weights(weights), DomainExtractor.from_weights(weights)
    seen = tap(splits.test.images)
    assert torch.equal(seen.features, whole(splits.test.images).features[:, :8])
    assert seen.logits.shape == (200, 0)
    assert (tap.name, tap.metric_prefix, tap.dimension) == ("domain8", "domain8_", 8)
    assert (tap.class_names, tap.has_logits) == ((), False)
    assert tap.digest == whole.digest
    assert tap.preprocessing != whole.preprocessing


def test_the_tap_of_the_standard_widths_is_called_64() -> None:
    images = ImageSpec(channels=3, size=32, num_classes=10)
    network = DomainClassifier(images, (32, 64, 128, 256))
    assert DomainTap(network, images, "", "cpu", tuple("abcdefghij")).name == "domain64"
    assert DomainTap(network, images, "", "cpu").name == "rotation64"


def test_the_classes_are_those_of_the_data(weights: Weights) -> None:
    extractor = DomainExtractor.from_weights(weights)
    assert (extractor.name, extractor.metric_prefix, extractor.has_logits) == ("domain", "domain_", True)
    assert extractor.class_names == ("nw", "ne", "sw", "se")


def unlabelled(images: ImageSet) -> ImageSet:
    return ImageSet(images.name, images.images, torch.zeros(len(images), dtype=torch.int64))


@pytest.fixture(scope="module")
def upright() -> ImageSplits:
    """Images that have a right way up, and no classes: bright above, dark below."""
    slope = torch.linspace(160, 0, 16).view(1, 1, 16, 1)
    sets = []
    for seed, (split, count) in enumerate([("train", 400), ("test", 100)]):
        noise = 80 * torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
        images = (slope + noise).to(torch.uint8)
        sets.append(ImageSet(f"slopes/{split}", images, torch.zeros(count, dtype=torch.int64)))
    return ImageSplits(*sets)


def test_without_classes_it_learns_which_way_is_up(upright: ImageSplits) -> None:
    weights = trained(upright)
    extractor = DomainExtractor.from_weights(weights)
    assert weights.metadata["kind"] == "rotation classifier"
    assert float(weights.metadata["test_accuracy"]) == accuracy_over_turns(weights, upright.test) > 0.9
    assert (extractor.name, extractor.metric_prefix, extractor.has_logits) == ("rotation", "rotation_", False)
    assert extractor.class_names == ()
    seen = extractor(upright.train.images)
    assert seen.logits.shape == (400, 0)
    torch.testing.assert_close(seen.features.mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    assert trained(upright).digest == weights.digest
    assert DomainTap.from_weights(weights).name == "rotation8"


def accuracy_over_turns(weights: Weights, test: ImageSet) -> float:
    network = DomainClassifier(ImageSpec(3, 16, 4), WIDTHS).eval()
    network.load_state_dict(dict(weights.tensors))
    right = [
        network(to_model_range(test.images.rot90(turn, (2, 3)))).logits.argmax(1) == turn for turn in range(4)
    ]  # fmt: skip
    return float(torch.cat(right).double().mean())


def test_where_no_way_is_up_no_turn_can_be_learned(splits: ImageSplits) -> None:
    """Bright squares in random quarters look the same from every side: the accuracy must be that of guessing."""
    weights = trained(ImageSplits(unlabelled(splits.train), unlabelled(splits.test)))
    assert float(weights.metadata["test_accuracy"]) == pytest.approx(0.25, abs=0.06)


def test_each_image_is_turned_by_its_own_quarters() -> None:
    images = torch.arange(2 * 3 * 4, dtype=torch.float32).view(2, 3, 2, 2)
    images = torch.cat([images, images])
    expected = [image.rot90(turn, (1, 2)) for turn, image in enumerate(images)]
    assert torch.equal(turned(images, torch.arange(4)), torch.stack(expected))
    assert turned(images, torch.tensor([1, 0, 0, 0]))[0, 0].tolist() == [[1, 3], [0, 2]]  # to the left


def test_every_image_is_flipped_in_every_other_epoch() -> None:
    first, second, third = (alternating_flips(1000, 0, epoch) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 400 < int(first.sum()) < 600
    assert not torch.equal(first, alternating_flips(1000, 1, 0))


def test_a_classifier_of_turns_is_not_taken_for_one_of_classes(weights: Weights) -> None:
    for changed in ({"kind": "rotation classifier"}, {"classes": "[]"}):
        with pytest.raises(EvaluationError, match="does not fit"):
            DomainExtractor.from_weights(Weights(weights.tensors, {**weights.metadata, **changed}))


def real_splits(folder: Path, name: str) -> ImageSplits:
    """With `kedro` not needed: the catalog's declaration, the library's reader."""
    text = (ROOT / "conf/base/catalog.yml").read_text().replace("${workspace:}", ".")
    declared = parse_declarations(yaml.safe_load(text)["image_library"]["datasets"])[name]
    assert isinstance(declared, ParquetDeclaration)
    train, test = (
        read_parquet(
            folder / split.file, name=name, image_column=declared.image_column, mode=declared.mode,
            size=declared.size, classes=declared.classes, rows=split.rows, digest=split.digest,
        )
        for split in (declared.train, declared.test)
    )  # fmt: skip
    return ImageSplits(train, test)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("name", "flip", "expected"), [("cifar10", True, 0.85), ("fashion_mnist", True, 0.92), ("mnist", False, 0.99)]
)
def test_real_images_are_told_apart(real_data: Path, name: str, flip: bool, expected: float) -> None:
    splits = real_splits(real_data, name)
    weights = train_domain_classifier(splits.train, splits.test, flip=flip)
    assert float(weights.metadata["test_accuracy"]) >= expected
