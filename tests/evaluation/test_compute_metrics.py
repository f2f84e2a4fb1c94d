from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.toy_extractor import PixelExtractor
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.stacked_images import stacked_classes
from papergan.errors import EvaluationError, EvaluationStopped
from papergan.evaluation.compute_metrics import score_features
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules, Split
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References, reference_rows
from papergan.extractors.feature_extractor import FeatureExtractor, Features
from papergan.metrics.random_subsets import kept_of, random_rows
from papergan.metrics.registry import METRICS
from papergan.weights import Weights

RULES = EvaluationRules(
    num_samples=250, inception_splits=5, kid_subsets=4, kid_subset_size=50, manifold_samples=200, seed=3
)
NAMES = ("red", "green", "blue")


def images(count: int, seed: int, shift: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(shift, 200 + shift, (count, 3, 2, 2), dtype=torch.uint8, generator=draw)


@pytest.fixture
def splits() -> ImageSplits:
    train = ImageSet("toy/train", images(300, 0), torch.zeros(300, dtype=torch.int64))
    return ImageSplits(train, ImageSet("toy/test", images(100, 1), torch.zeros(100, dtype=torch.int64)))


def reference(
    splits: ImageSplits, *extractors: FeatureExtractor, split: Split = "train", floor_samples: int = 1000
) -> References:
    found = {}
    for extractor in extractors or (PixelExtractor(),):
        train, test = (ImageFeatures.of(some, extractor, 64) for some in (splits.train, splits.test))
        real, held_out = (train, test) if split == "train" else (test, train)
        found[extractor.name] = Reference.between(ExtractorFacts.of(extractor), real, held_out, split, floor_samples)
    return found


def score_samples(
    batches: object,
    extractors: list,
    references: References,
    rules: EvaluationRules,
    batch_size: int = 250,
    **how: object,
) -> dict:
    return Evaluator(extractors, references, batch_size=batch_size).score(batches, rules, **how)


def distance_of_gaussians(a: Tensor, b: Tensor) -> float:
    """Independent formula through the eigenvalues of the product, in numpy."""
    a, b = (pixels.double().mean(dim=(2, 3)).numpy() for pixels in (a, b))
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(first @ second).real).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second) - 2 * root)


def test_scores_of_one_extractor(splits: ImageSplits) -> None:
    fakes = images(250, 2, shift=20)
    scores = score_samples(fakes.split(40), [PixelExtractor()], reference(splits), RULES, batch_size=32)
    expected = {
        "num_samples", "fid", "fid_floor", "fid_at_floor_count", "kid_mean", "kid_std", "is_mean", "is_std", "log_is",
        "modified_is", "precision", "recall", "density", "coverage", "two_sample_accuracy",
    }  # fmt: skip
    assert set(scores) == {f"domain_{name}" for name in expected}
    assert scores["domain_fid"] == pytest.approx(distance_of_gaussians(fakes, splits.train.images), rel=1e-5)
    floor = distance_of_gaussians(splits.test.images, splits.train.images)
    assert scores["domain_fid_floor"] == pytest.approx(floor, rel=1e-4)
    assert scores["domain_num_samples"] == 250
    assert 1 <= scores["domain_is_mean"] <= 3
    assert scores["domain_log_is"] == pytest.approx(np.log(scores["domain_is_mean"]), abs=1e-2)


def test_what_takes_long_is_measured_where_it_is_asked_for(splits: ImageSplits) -> None:
    rules = replace(RULES, memorisation_samples=50, bootstrap=5)
    extractor = PixelExtractor(class_names=NAMES)
    scores = score_samples([images(250, 2)], [extractor], reference(splits, extractor), rules)
    more = {"fid_bootstrap", "kid_bootstrap", "copy_rate", "distance_ratio"}
    classes = {"class_entropy", "classes_covered", "class_divergence"}
    assert {f"domain_{name}" for name in more | classes} <= set(scores)
    assert all(scores[f"domain_{name}"] > 0 for name in more - {"copy_rate"})
    copies = score_samples([splits.train.images[:250]], [extractor], reference(splits, extractor), rules)
    assert copies["domain_copy_rate"] == 1
    assert copies["domain_distance_ratio"] == 0


def test_copies_are_of_training_images_whichever_split_is_the_reference(splits: ImageSplits) -> None:
    extractor, groups = PixelExtractor(), ["copies"]
    rules = replace(RULES, memorisation_samples=50)
    for some, wanted in ((splits.train, 1), (splits.test, 0)):
        features = extractor(some.images[:90])
        by_train, by_test = (
            score_features(features, reference(splits, extractor, split=split)["domain"], rules, groups=groups)
            for split in ("train", "test")
        )
        assert by_test == by_train
        assert by_test["domain_copy_rate"] == pytest.approx(wanted, abs=0.1)


def test_modes_are_counted_of_stacked_images_alone(splits: ImageSplits) -> None:
    plain, joint = PixelExtractor(class_names=NAMES), PixelExtractor(class_names=stacked_classes(("0", "1")))
    rules = replace(RULES, bootstrap=0)
    names = {"domain_stacked_modes", "domain_stacked_divergence"}
    assert not names & set(score_samples([images(250, 2)], [plain], reference(splits, plain), rules))
    features = Features(torch.randn(250, 3), torch.eye(8)[torch.arange(250) % 2])
    facts = replace(reference(splits, plain)["domain"], extractor=ExtractorFacts.of(joint))
    real = facts.real.features._replace(logits=torch.eye(8)[torch.arange(len(facts.real)) % 8])
    facts = replace(facts, real=replace(facts.real, features=real))
    scores = score_features(features, facts, rules, groups=["is"])
    assert scores["domain_stacked_modes"] == 2
    assert scores["domain_stacked_divergence"] == pytest.approx(np.log(4))


def test_samples_near_one_real_image_are_precise_and_recall_nothing(splits: ImageSplits) -> None:
    held = reference(splits)["domain"]
    near = held.real.features.features[:1] + 1e-3 * torch.randn(250, 3, generator=torch.Generator().manual_seed(0))
    scores = score_features(Features(near, near), held, RULES, groups=["neighbours"])
    assert scores["domain_precision"] == 1
    assert scores["domain_recall"] < 0.05


def test_the_divergence_of_classes_is_that_of_samples_from_real_images(splits: ImageSplits) -> None:
    held = reference(splits, PixelExtractor(class_names=NAMES))["domain"]
    fake, real = torch.eye(3)[[0, 0, 0, 1]], torch.eye(3)[[0, 1, 2, 2]]
    held = replace(held, real=replace(held.real, features=Features(real, real)))
    p, q = ((np.array(counts) + 1 / 3) / 5 for counts in ([3, 1, 0], [1, 1, 2]))
    scores = score_features(Features(fake, fake), held, RULES, groups=["is"])
    assert scores["domain_class_divergence"] == pytest.approx((p * np.log(p / q)).sum())


def test_an_extractor_without_logits_has_no_inception_score(splits: ImageSplits) -> None:
    tap = PixelExtractor(name="domain64", metric_prefix="domain64_", has_logits=False)
    scores = score_samples([images(250, 2)], [tap], reference(splits, tap), RULES)
    assert "domain64_fid" in scores
    assert not [name for name in scores if "is_" in name or name.endswith("_is")]


def test_two_extractors_share_one_pass_and_never_a_name(splits: ImageSplits) -> None:
    both = [PixelExtractor(), PixelExtractor(name="inception", metric_prefix="", digest="i" * 64)]
    looked = []

    def stream() -> object:
        for batch in images(100, 2).split(50):
            looked.append(len(batch))
            yield batch

    scores = score_samples(stream(), both, reference(splits, *both), RULES)
    assert looked == [50, 50]
    assert scores["fid"] == scores["domain_fid"]
    assert len(scores) == 28


def test_how_the_stream_is_cut_changes_nothing(splits: ImageSplits) -> None:
    held = reference(splits)
    first, second = (
        score_samples(images(250, 2).split(cut), [PixelExtractor()], held, RULES, batch_size=size)
        for cut, size in ((250, 250), (7, 100))
    )
    assert first == pytest.approx(second, rel=1e-12)


def test_a_reference_of_another_extractor_is_refused_before_the_first_sample(splits: ImageSplits) -> None:
    held = reference(splits)

    def never() -> object:
        raise AssertionError("a sample was drawn")
        yield

    for other in (PixelExtractor(digest="e" * 64), PixelExtractor(preprocessing="bicubic")):
        with pytest.raises(EvaluationError, match="another extractor"):
            score_samples(never(), [other], held, RULES)
    with pytest.raises(EvaluationError, match="no reference"):
        score_samples(never(), [PixelExtractor()], {}, RULES)


def test_no_samples_and_a_stop_give_no_score(splits: ImageSplits) -> None:
    held = reference(splits)
    with pytest.raises(EvaluationError, match="no images"):
        score_samples([], [PixelExtractor()], held, RULES)
    with pytest.raises(EvaluationStopped):
        score_samples([images(9, 0)], [PixelExtractor()], held, RULES, should_stop=lambda: True)
    with pytest.raises(EvaluationStopped):
        ImageFeatures.of(splits.train, PixelExtractor(), 64, should_stop=lambda: True)


def test_too_few_samples_warn(splits: ImageSplits, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        score_samples([images(8, 0)[:8]], [Wide()], reference(splits, Wide()), RULES)
    assert "mostly bias" in caplog.text


class Wide(PixelExtractor):
    """More dimensions than there are samples."""

    def extract_float(self, values: Tensor) -> object:
        seen = super().extract_float(values)
        return seen._replace(features=values.flatten(1))


def test_storage_keeps_features_of_images(splits: ImageSplits) -> None:
    stored = ImageFeatures.of(splits.train, PixelExtractor(), 64)
    again = ImageFeatures.from_weights(stored.to_weights())
    assert (again.name, again.digest, len(again)) == ("toy/train", splits.train.digest, 300)
    assert torch.equal(again.features.features, stored.features.features)
    assert torch.equal(again.statistics.scatter, stored.statistics.scatter)
    with pytest.raises(EvaluationError, match="no features"):
        ImageFeatures.from_weights(Weights({}, {"kind": "something"}))


def test_the_floor_is_taken_at_the_number_of_samples(splits: ImageSplits) -> None:
    whole = reference(splits)["domain"]
    part = reference(splits, floor_samples=30)["domain"]
    assert (whole.floor_count, part.floor_count) == (100, 30)
    assert part.floor is not None
    assert whole.floor is not None
    assert part.floor > whole.floor
    assert part.floor == reference(splits, floor_samples=30)["domain"].floor


def test_a_generator_of_the_true_law_is_about_as_far_as_the_floor() -> None:
    """Whatever the number of samples: 2000 samples' distance by that of 200 held-out images would be a tenth."""
    train, held_out, fakes = (image_set(images(count, seed)) for count, seed in ((2000, 0), (200, 1), (2000, 2)))
    held = reference(ImageSplits(train, held_out), Wide())
    for count in (2000, 200, 100):
        rules = replace(RULES, num_samples=count)
        scores = score_samples([fakes.images[:count]], [Wide()], held, rules)
        distance = scores.get("domain_fid_at_floor_count", scores["domain_fid"])
        assert distance / scores["domain_fid_floor"] == pytest.approx(1, abs=0.35)
        assert ("domain_fid_at_floor_count" in scores) == (count > 200)  # nothing is computed twice
        assert held["domain"].protocol(rules).floor_count == min(count, 200)
    assert scores["domain_fid_floor"] > 1.5 * held["domain"].floor


def test_the_distance_at_the_count_of_the_floor_is_that_of_a_draw(splits: ImageSplits) -> None:
    fakes = images(250, 2)
    scores = score_samples([fakes], [PixelExtractor()], reference(splits), RULES)
    some = fakes[random_rows(250, 100, RULES.seed, "floor")]
    assert scores["domain_fid_at_floor_count"] == pytest.approx(distance_of_gaussians(some, splits.train.images))


def test_samples_may_be_held_against_the_test_split(splits: ImageSplits) -> None:
    held = reference(splits, split="test")["domain"]
    assert held.protocol(RULES).label("fid") == "domain_fid@250v100-train"  # the rules say which
    held = reference(splits, split="test")["domain"]
    protocol = held.protocol(replace(RULES, reference_split="test"))
    assert protocol.label("fid") == "domain_fid@250v100-test"
    assert protocol.manifold_samples == 100
    scores = score_features(held.real.features, held, RULES)
    assert scores["domain_fid"] == pytest.approx(0, abs=1e-9)


def test_without_held_out_images_there_is_neither_floor_nor_memorisation(splits: ImageSplits) -> None:
    extractor = PixelExtractor()
    stored = ImageFeatures.of(splits.train, extractor, 64)
    held = {"domain": Reference.between(ExtractorFacts.of(extractor), stored, None, "train", 10)}
    scores = score_samples([images(250, 2)], [extractor], held, replace(RULES, memorisation_samples=50))
    assert not {"domain_fid_floor", "domain_fid_at_floor_count", "domain_copy_rate"} & set(scores)
    protocol = held["domain"].protocol(RULES)
    assert (protocol.held_out_digest, protocol.held_out_count, protocol.floor_count) == ("", 0, 0)


def test_the_protocol_says_how_a_number_came_about(splits: ImageSplits) -> None:
    protocol = reference(splits)["domain"].protocol(RULES)
    assert protocol.label("fid") == "domain_fid@250v300-train"
    assert protocol.reference_name == "toy/train"
    assert protocol.reference_digest == splits.train.digest
    assert protocol.extractor_digest == "d" * 64
    assert (protocol.held_out_digest, protocol.held_out_count) == (splits.test.digest, 100)
    assert protocol.floor_count == 100
    assert protocol.seed == 3


def test_kept_pixels_are_a_draw_in_order_that_the_seed_decides(splits: ImageSplits) -> None:
    fakes, held, rules = images(100, 2), reference(splits), replace(RULES, similarity_pairs=20)
    first, again, other = (
        Evaluator([PixelExtractor()], held).extract(fakes.split(cut), replace(rules, seed=seed))
        for cut, seed in ((30, 3), (7, 3), (30, 4))
    )
    assert first.count == 100
    assert torch.equal(first.pixels, again.pixels)
    assert torch.equal(first.pixels, fakes[kept_of(100, 40, 3)])
    assert not torch.equal(first.pixels, other.pixels)


def test_samples_sorted_by_class_are_scored_as_shuffled_ones() -> None:
    """The first 100 of 500 would all be of one class: a coverage of 0.2, and all copies among the first."""
    classes = torch.arange(5).repeat_interleave(100)
    train, held_out, fakes = (of_classes(classes, seed) for seed in range(3))
    fakes[:100] = train[:100]
    held = reference(ImageSplits(image_set(train), image_set(held_out)))
    rules = replace(RULES, num_samples=500, manifold_samples=100, memorisation_samples=100)
    ordered = score_samples([fakes], [PixelExtractor()], held, rules)
    assert ordered["domain_coverage"] > 0.8
    assert ordered["domain_two_sample_accuracy"] < 0.6
    assert 0.1 < ordered["domain_copy_rate"] < 0.35


def of_classes(classes: Tensor, seed: int) -> Tensor:
    noise = torch.randint(0, 40, (len(classes), 3, 2, 2), generator=torch.Generator().manual_seed(seed))
    return (50 * classes[:, None, None, None] + noise).to(torch.uint8)


def image_set(pixels: Tensor) -> ImageSet:
    return ImageSet("toy/set", pixels, torch.zeros(len(pixels), dtype=torch.int64))


def test_a_draw_is_the_same_every_time_and_without_repetition() -> None:
    assert torch.equal(reference_rows(50, 20), reference_rows(50, 20))
    assert len(set(reference_rows(50, 20).tolist())) == 20
    assert reference_rows(5, 9).tolist() == [0, 1, 2, 3, 4]


def test_every_score_has_a_name_that_the_table_knows(splits: ImageSplits) -> None:
    from papergan.metrics.registry import AUXILIARY_METRICS

    extractor = PixelExtractor(class_names=NAMES)
    rules = replace(RULES, memorisation_samples=50, bootstrap=2)
    for name in score_samples([images(250, 2)], [extractor], reference(splits, extractor), rules):
        assert name.removeprefix("domain_") in {*METRICS, *AUXILIARY_METRICS}
