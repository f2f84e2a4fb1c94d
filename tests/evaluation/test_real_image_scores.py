from __future__ import annotations

from dataclasses import replace

import torch

from helpers.toy_extractor import PixelExtractor
from papergan.data.images import ImageSet
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.real_image_scores import real_rows
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References
from papergan.evaluation.scorecard import RealRow

RULES = EvaluationRules(
    num_samples=60, inception_splits=2, kid_subsets=2, kid_subset_size=20, manifold_samples=60, memorisation_samples=30
)


def image_set(name: str, count: int, seed: int) -> ImageSet:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 3, 12, 12), dtype=torch.uint8, generator=draw)
    return ImageSet(name, pixels, torch.zeros(count, dtype=torch.int64))


TRAIN, TEST = image_set("toy/train", 200, 0), image_set("toy/test", 80, 1)


def references(real: ImageSet, held_out: ImageSet | None, rules: EvaluationRules = RULES) -> References:
    extractor = PixelExtractor()
    sets = [None if some is None else ImageFeatures.of(some, extractor, 50) for some in (real, held_out)]
    assert sets[0] is not None
    facts = ExtractorFacts.of(extractor)
    return {"domain": Reference.between(facts, sets[0], sets[1], rules.reference_split, rules.num_samples)}


def test_the_test_set_and_the_photocopier() -> None:
    honest, copies = real_rows(TRAIN, TEST, references(TRAIN, TEST), RULES)
    assert (honest.name, honest.dataset) == ("real test set", "toy/test")
    assert (copies.name, copies.dataset) == ("train copies", "toy/train")
    assert honest.metrics["domain_fid"] == honest.metrics["domain_fid_floor"]
    assert honest.metrics["pixel_copy_rate"] < 0.2
    assert copies.metrics["domain_copy_rate"] == copies.metrics["pixel_copy_rate"] == 1
    assert honest.protocols[0].num_samples == copies.protocols[0].num_samples == 60


def test_a_parzen_window_is_of_training_images_and_never_of_the_images_it_is_measured_at() -> None:
    rules = replace(RULES, parzen_samples=60, parzen_validation=20, parzen_bandwidths=(0.2, 0.3))
    validation = image_set("toy/validation", 20, 3)
    honest, copies = real_rows(TRAIN, TEST, references(TRAIN, TEST), rules, validation=validation)
    assert "parzen_ll_historical" not in honest.metrics
    assert copies.metrics["parzen_bandwidth"] in (0.2, 0.3)
    assert copies.protocols[0].parzen_validation == 20


def test_fewer_images_than_samples_are_another_protocol() -> None:
    rules = replace(RULES, num_samples=150)
    honest, copies = real_rows(TRAIN, TEST, references(TRAIN, TEST, rules), rules)
    assert (honest.protocols[0].num_samples, copies.protocols[0].num_samples) == (80, 150)
    assert honest.metrics["domain_num_samples"] == 80


def test_copies_are_not_of_the_very_images_that_they_are_compared_with() -> None:
    """A photocopier of random training images is as far from a draw of them as unseen images are, but for a few."""
    many = image_set("toy/train", 1000, 2)
    rules = replace(RULES, num_samples=200, manifold_samples=100)
    _, copies = real_rows(many, TEST, references(many, TEST, rules), rules)
    assert copies.metrics["domain_copy_rate"] == 1
    assert 0.4 < copies.metrics["domain_two_sample_accuracy"] < 0.6
    assert copies.metrics["domain_precision"] < 1
    (same,) = real_rows(many, None, references(many, None, rules), rules)
    assert same.metrics["domain_fid"] == copies.metrics["domain_fid"]
    (other,) = real_rows(many, None, references(many, None, rules), replace(rules, seed=1))
    assert other.metrics["domain_fid"] != copies.metrics["domain_fid"]


def test_a_photocopier_draws_as_many_as_a_model_whatever_there_is_to_copy() -> None:
    rules = replace(RULES, num_samples=300)
    _, copies = real_rows(TRAIN, TEST, references(TRAIN, TEST, rules), rules)
    assert copies.protocols[0].num_samples == copies.metrics["domain_num_samples"] == 300
    assert copies.metrics["domain_fid"] > 0  # with replacement: not the training set once over


def test_held_against_the_test_set_the_training_set_is_what_an_honest_generator_reaches() -> None:
    rules = replace(RULES, reference_split="test")
    honest, copies = real_rows(TEST, TRAIN, references(TEST, TRAIN, rules), rules)
    assert (honest.name, copies.name) == ("real training set", "test copies")
    assert honest.metrics["domain_copy_rate"] == honest.metrics["pixel_copy_rate"] == 1  # what a photocopier reaches
    assert copies.metrics["pixel_copy_rate"] < 0.2


def test_a_parzen_window_is_of_training_images_where_the_test_set_is_the_reference_too() -> None:
    rules = replace(RULES, reference_split="test", parzen_samples=60, parzen_bandwidths=(0.2, 0.3))
    honest, copies = real_rows(TEST, TRAIN, references(TEST, TRAIN, rules), rules)
    assert "parzen_ll_historical" not in copies.metrics
    assert honest.metrics["parzen_bandwidth"] in (0.2, 0.3)


def test_without_held_out_images_there_are_only_copies() -> None:
    (copies,) = real_rows(TRAIN, None, references(TRAIN, None), RULES)
    assert copies.name == "train copies"
    assert RealRow.model_validate_json(copies.model_dump_json()) == copies
