from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.pixel_metrics import _parzen_points, score_pixels
from papergan.evaluation.protocol import EvaluationRules
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood

RULES = EvaluationRules(num_samples=60, memorisation_samples=60, similarity_pairs=30)


def images(count: int, seed: int, size: int = 16) -> Tensor:
    return torch.randint(
        0, 256, (count, 1, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


REAL, HELD_OUT = images(80, 0), images(50, 1)


def test_copies_and_mirrored_copies_are_found_and_strangers_are_not() -> None:
    copies = score_pixels(REAL[:60], REAL, HELD_OUT, RULES)
    assert copies["pixel_copy_rate"] == 1
    assert score_pixels(REAL[:60].flip(3), REAL, HELD_OUT, RULES)["pixel_copy_rate"] == 1
    with pytest.MonkeyPatch.context() as patch:  # in many parts
        patch.setattr("papergan.evaluation.pixel_metrics.BYTES_AT_ONCE", 8 * 256 * 7)
        assert score_pixels(REAL[:60], REAL, HELD_OUT, RULES) == copies
    strangers = score_pixels(images(60, 2), REAL, HELD_OUT, RULES)
    assert strangers["pixel_copy_rate"] < 0.1
    assert strangers["pixel_distance_ratio"] == pytest.approx(1, abs=0.05)


def test_copies_are_of_training_images_and_likelihoods_of_test_images_whichever_split_is_the_reference() -> None:
    rules = replace(RULES, parzen_samples=60)
    for fakes, wanted in ((REAL[:60], 1), (HELD_OUT, 0)):
        by_train = score_pixels(fakes, REAL, HELD_OUT, rules)
        by_test = score_pixels(fakes, HELD_OUT, REAL, replace(rules, reference_split="test"))
        assert by_test == by_train
        assert by_test["pixel_copy_rate"] == pytest.approx(wanted, abs=0.1)


def test_one_image_over_and_over_is_alike() -> None:
    same = score_pixels(REAL[:1].expand(60, -1, -1, -1), REAL, HELD_OUT, RULES)
    assert same["ms_ssim"] == pytest.approx(1)
    assert score_pixels(images(60, 2), REAL, HELD_OUT, RULES)["ms_ssim"] < 0.1


def test_sorted_images_are_scored_as_shuffled_ones() -> None:
    """Pairs within a class would be all alike, and the first 60 all copies."""
    classes = [image.expand(100, -1, -1, -1) for image in images(5, 4)]
    plain = torch.cat([*classes[:4], REAL, images(20, 5)])
    rules = replace(RULES, num_samples=500, similarity_pairs=250, parzen_samples=60)
    apart = score_pixels(torch.cat(classes), REAL, HELD_OUT, rules)["ms_ssim"]
    assert apart < 0.4  # a fifth of the pairs is of one class
    copies = torch.cat([REAL, plain[:320]])
    first, last = (score_pixels(some, REAL, HELD_OUT, rules) for some in (copies, copies.flip(0)))
    for scores in (first, last):
        assert scores["pixel_copy_rate"] == pytest.approx(0.2, abs=0.15)
    of_copies, none = (score_pixels(some, REAL, HELD_OUT, rules) for some in (REAL, classes[0]))
    low, high = sorted(scores["parzen_ll_historical"] for scores in (of_copies, none))
    assert low < first["parzen_ll_historical"] < high


def test_parzen_windows_prefer_samples_of_the_same_law() -> None:
    rules = replace(RULES, memorisation_samples=0, parzen_samples=60)
    dark = [(images(60, seed).float() * 0.2).to(torch.uint8) for seed in range(3)]
    near, far = (score_pixels(fake, dark[1], dark[2], rules) for fake in (dark[0], images(60, 3)))
    assert near["parzen_ll_historical"] > far["parzen_ll_historical"] + 10
    assert near["parzen_ll_historical_std"] > 0


def test_the_halves_of_a_parzen_window_are_drawn_where_held_out_images_are_sorted() -> None:
    """Narrow classes first: a bandwidth that was chosen on them alone would be far too small for the wide ones."""
    narrow, wide = ((images(200, seed).float() * width).to(torch.uint8) for seed, width in ((1, 0.1), (2, 1)))
    rules = replace(RULES, num_samples=200, memorisation_samples=0, parzen_samples=200)
    samples = torch.cat([narrow[:100], wide[:100]])
    found = []
    for held_out in (torch.cat([narrow[100:], wide[100:]]), torch.cat([wide[100:], narrow[100:]])):
        found.append(score_pixels(samples, REAL, held_out, rules)["parzen_ll_historical"])
    assert found[0] == pytest.approx(found[1], abs=30)  # nats, of hundreds


def test_the_image_that_chooses_a_bandwidth_has_no_likelihood() -> None:
    chosen, taken = _parzen_points(HELD_OUT, None, 0)
    rows = [{tuple(image.flatten().tolist()) for image in some} for some in (chosen, taken, HELD_OUT)]
    assert (len(chosen), len(taken)) == (25, 25)
    assert rows[0].isdisjoint(rows[1])
    assert rows[0] | rows[1] == rows[2]


def test_as_many_pairs_are_compared_as_the_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("papergan.evaluation.pixel_metrics.mean_pair_similarity", lambda pixels: float(len(pixels)))
    for pairs, found in ((7, 14.0), (30, 60.0), (1000, 60.0)):
        rules = replace(RULES, memorisation_samples=0, similarity_pairs=pairs)
        assert score_pixels(images(60, 2), REAL, HELD_OUT, rules)["ms_ssim"] == found


def test_a_parzen_window_by_the_rules_of_a_paper() -> None:
    """The bandwidth by the first validation images, the likelihood of every held-out one."""
    rules = replace(
        RULES, memorisation_samples=0, parzen_samples=60, parzen_validation=20, parzen_bandwidths=(0.2, 0.3, 0.4)
    )
    samples, validation = images(60, 2), images(30, 3)
    scores = score_pixels(samples, REAL, HELD_OUT, rules, validation=validation)
    vectors = [some.flatten(1) / 255 for some in (samples, validation[:20], HELD_OUT)]
    bandwidth = choose_bandwidth(*vectors[:2], (0.2, 0.3, 0.4))
    mean, error = parzen_log_likelihood(vectors[0], vectors[2], bandwidth)
    assert scores["parzen_bandwidth"] == bandwidth
    assert scores["parzen_ll_historical"] == pytest.approx(mean)
    assert scores["parzen_ll_historical_std"] == pytest.approx(error)
    with pytest.raises(EvaluationError, match="parzen_validation wants 20 validation images, there are 0; set `valid"):
        score_pixels(samples, REAL, HELD_OUT, rules)


def test_what_is_not_asked_for_or_cannot_be_is_left_out() -> None:
    assert set(score_pixels(images(60, 2), REAL, HELD_OUT, replace(RULES, memorisation_samples=0))) == {"ms_ssim"}
    assert set(score_pixels(images(60, 2), REAL, None, RULES)) == {"ms_ssim"}
    tiny = [images(60, seed, size=8) for seed in range(3)]
    assert "ms_ssim" not in score_pixels(*tiny, RULES)  # smaller than its window


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(EvaluationError, match="one shape"):
        score_pixels(images(60, 2, size=32), REAL, HELD_OUT, RULES)
