from __future__ import annotations

import dataclasses

import pytest

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import EvaluationRules, Protocol
from papergan.metrics.registry import COLUMNS, METRICS

DOMAIN = Protocol(
    extractor="domain", extractor_digest="a" * 64, preprocessing="p", num_samples=5000, reference_name="cifar10/train",
    reference_split="train", reference_digest="b" * 64, reference_count=50000, weights="ema", inception_splits=10,
    manifold_samples=4000, kid_subset_size=900, memorisation_samples=300, path_samples=200,
    held_out_digest="h" * 64, held_out_count=10000, floor_count=5000,
)  # fmt: skip


def test_labels() -> None:
    expected = {
        "fid": "domain_fid@5000v50000-train", "is_mean": "domain_is@5000/10", "log_is": "domain_log_is@5000/10",
        "kid_mean": "domain_kid@5000v50000-train/100x900", "precision": "domain_precision@4000v4000-train/k3",
        "coverage": "domain_coverage@4000v4000-train/k5", "ppl": "domain_ppl@200", "ms_ssim": "ms_ssim@1000",
        "pixel_copy_rate": "pixel_copies@300v50000-train",
    }  # fmt: skip
    assert {name: DOMAIN.label(name) for name in expected} == expected
    inception = dataclasses.replace(DOMAIN, extractor="inception", num_samples=10000)
    assert inception.label("fid") == "fid@10000v50000-train-inception"
    assert inception.label("is_mean") == "is@10000/10-inception"
    assert dataclasses.replace(inception, truncation=0.7).label("fid") == "fid@10000v50000-train-inception-t0.7"


def test_the_label_of_copies_names_the_training_images_that_they_are_of() -> None:
    by_test = dataclasses.replace(
        DOMAIN, reference_split="test", reference_count=10000, held_out_digest="b" * 64, held_out_count=50000
    )
    for name in ("copy_rate", "distance_ratio", "pixel_copy_rate", "pixel_distance_ratio"):
        assert by_test.label(name) == DOMAIN.label(name)
    assert by_test.label("fid") == "domain_fid@5000v10000-test"


def test_path_lengths_have_no_truncation() -> None:
    truncated = dataclasses.replace(DOMAIN, truncation=0.5)
    for name in ("ppl", "ppl_w"):
        assert truncated.label(name) == DOMAIN.label(name) == f"domain_{name}@200"
        assert truncated.comparability_digest(METRICS[name]) == DOMAIN.comparability_digest(METRICS[name])


def test_the_label_of_augmentation_has_the_share_of_generated_images() -> None:
    augmented = dataclasses.replace(DOMAIN, nas_samples=900, nas_share=0.25, nas_epochs=4, nas_width=16)
    assert augmented.label("nas_real") == "nas_real@900/0.25/4x16"
    assert augmented.nas_images == 3600
    assert DOMAIN.nas_images == 0


def test_every_metric_has_a_label_of_its_own() -> None:
    labels = [DOMAIN.label(name) for name in COLUMNS]
    assert len(set(labels)) == len(labels)


def other_value(value: object) -> object:
    if value is None:
        return 0.7
    return value + 1 if isinstance(value, int | float) else f"{value}x"


MODEL_AND_DRAW = {"weights", "seed", "bootstrap"}
ONLY_FOR_SOME = {
    "inception_splits": "is_mean", "kid_subsets": "kid_mean", "kid_subset_size": "kid_mean",
    "manifold_samples": "recall", "similarity_pairs": "ms_ssim", "memorisation_samples": "copy_rate",
    "path_samples": "ppl", "parzen_samples": "parzen_ll_historical",
    "class_samples": "intra_fid", "cas_samples": "cas", "cas_epochs": "cas", "cas_width": "cas", "cas_flip": "cas",
    "nas_samples": "nas", "nas_share": "nas_real", "nas_epochs": "nas", "nas_width": "nas_flips",
    "nas_flip": "nas_flips",
    "parzen_validation": "parzen_ll_historical", "parzen_bandwidths": "parzen_ll_historical",
    "held_out_digest": "copy_rate", "held_out_count": "pixel_copy_rate", "floor_count": "fid_floor",
    "lpips_network": "lpips", "lpips_backbone_digest": "lpips", "lpips_weights_digest": "lpips",
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Protocol)])
def test_every_rule_makes_another_ruler_of_the_metrics_it_matters_to(field: str) -> None:
    other = dataclasses.replace(DOMAIN, **{field: other_value(getattr(DOMAIN, field))})
    metric = COLUMNS[ONLY_FOR_SOME.get(field, "fid")]
    assert (other.comparability_digest(metric) != DOMAIN.comparability_digest(metric)) == (field not in MODEL_AND_DRAW)
    if field in ONLY_FOR_SOME:
        assert other.comparability_digest(METRICS["fid"]) == DOMAIN.comparability_digest(METRICS["fid"])


def test_what_depends_on_the_images_that_are_held_out() -> None:
    other = dataclasses.replace(DOMAIN, held_out_digest="z" * 64)
    changed = {
        name
        for name, metric in COLUMNS.items()
        if other.comparability_digest(metric) != DOMAIN.comparability_digest(metric)
    }
    assert changed == {
        "copy_rate", "distance_ratio", "pixel_copy_rate", "pixel_distance_ratio", "parzen_ll_historical", "fid_floor",
        "cas", "nas", "nas_real", "nas_flips", "code_error", "encoder_1nn_accuracy", "reconstruction_error", "psnr",
        "ssim", "psnr_y", "ssim_y", "cycle_error", "lpips",
    }  # fmt: skip


def test_a_protocol_of_before_it_said_what_was_held_out_is_refused_in_one_line() -> None:
    before = {k: v for k, v in dataclasses.asdict(DOMAIN).items() if k not in ("held_out_digest", "held_out_count")}
    with pytest.raises(EvaluationError, match=r"^made by an earlier version, which did not say which .* held out$"):
        Protocol(**before)


def test_what_is_measured_on_pixels_does_not_depend_on_an_extractor() -> None:
    other = dataclasses.replace(DOMAIN, extractor="inception", extractor_digest="z" * 64)
    assert other.comparability_digest(METRICS["ms_ssim"]) == DOMAIN.comparability_digest(METRICS["ms_ssim"])
    assert other.label("ms_ssim") == DOMAIN.label("ms_ssim")


def test_counts_never_exceed_the_images_there_are() -> None:
    rules = EvaluationRules(num_samples=50000, memorisation_samples=1000).within(700, 500)
    assert (rules.num_samples, rules.manifold_samples, rules.kid_subset_size) == (700, 500, 500)
    assert (rules.memorisation_samples, rules.similarity_pairs) == (700, 350)
    assert EvaluationRules(num_samples=50000).within(4, 500).inception_splits == 4


def test_nothing_is_measured_on_no_samples() -> None:
    with pytest.raises(EvaluationError, match="at least one"):
        dataclasses.replace(DOMAIN, num_samples=0)
