from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch
from torch import Tensor

from evaluation.toy_extractor import PixelExtractor
from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.evaluate import score_samples
from papergan.evaluation.features import EvaluationStopped
from papergan.evaluation.reference import Reference, build_reference
from papergan.weights import Weights


def images(count: int, seed: int, shift: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(shift, 200 + shift, (count, 3, 2, 2), dtype=torch.uint8, generator=draw)


@pytest.fixture
def splits() -> ImageSplits:
    train = ImageSet("toy/train", images(300, 0), torch.zeros(300, dtype=torch.int64))
    return ImageSplits(train, ImageSet("toy/test", images(100, 1), torch.zeros(100, dtype=torch.int64)))


def distance_of_means_and_diagonals(a: Tensor, b: Tensor) -> float:
    """Independent formula through the eigenvalues of the product, in numpy."""
    a, b = (pixels.double().mean(dim=(2, 3)).numpy() for pixels in (a, b))
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(first @ second).real).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second) - 2 * root)


def test_scores_of_one_extractor(splits: ImageSplits) -> None:
    references = build_reference(splits, [PixelExtractor()], batch_size=64)
    fakes = images(250, 2, shift=20)
    scores = score_samples(fakes.split(40), [PixelExtractor()], references, splits=5, seed=3, batch_size=32)
    assert set(scores) == {
        "domain_fid", "domain_fid_floor", "domain_is_mean", "domain_is_std", "domain_num_samples",
    }  # fmt: skip
    assert scores["domain_fid"] == pytest.approx(distance_of_means_and_diagonals(fakes, splits.train.images), rel=1e-5)
    floor = distance_of_means_and_diagonals(splits.test.images, splits.train.images)
    assert scores["domain_fid_floor"] == pytest.approx(floor, rel=1e-4)
    assert scores["domain_num_samples"] == 250
    assert 1 <= scores["domain_is_mean"] <= 3


def test_two_extractors_share_one_pass_and_never_a_name(splits: ImageSplits) -> None:
    both = [PixelExtractor(), PixelExtractor(name="inception", metric_prefix="", digest="i" * 64)]
    references = build_reference(splits, both, batch_size=64)
    drawn = []

    def stream() -> object:
        for batch in images(100, 2).split(50):
            drawn.append(len(batch))
            yield batch

    scores = score_samples(stream(), both, references, splits=2)
    assert drawn == [50, 50]
    assert scores["fid"] == scores["domain_fid"]
    assert len(scores) == 10


def test_a_reference_of_another_extractor_is_refused_before_the_first_sample(splits: ImageSplits) -> None:
    references = build_reference(splits, [PixelExtractor()], batch_size=64)

    def never() -> object:
        raise AssertionError("a sample was drawn")
        yield

    for other in (PixelExtractor(digest="e" * 64), PixelExtractor(preprocessing="bicubic")):
        with pytest.raises(EvaluationError, match="another extractor"):
            score_samples(never(), [other], references)
    with pytest.raises(EvaluationError, match="no reference"):
        score_samples(never(), [PixelExtractor()], {})


def test_no_samples_and_a_stop_give_no_score(splits: ImageSplits) -> None:
    references = build_reference(splits, [PixelExtractor()], batch_size=64)
    with pytest.raises(EvaluationError, match="no samples"):
        score_samples([], [PixelExtractor()], references)
    with pytest.raises(EvaluationStopped):
        score_samples([images(9, 0)], [PixelExtractor()], references, should_stop=lambda: True)
    with pytest.raises(EvaluationStopped):
        build_reference(splits, [PixelExtractor()], 64, should_stop=lambda: True)


def test_too_few_samples_warn(splits: ImageSplits, caplog: pytest.LogCaptureFixture) -> None:
    references = build_reference(splits, [PixelExtractor()], batch_size=64)
    with caplog.at_level(logging.WARNING):
        score_samples([images(3, 0)], [PixelExtractor()], references, splits=1)
    assert "mostly bias" in caplog.text


def test_storage_keeps_the_reference(splits: ImageSplits) -> None:
    reference = build_reference(splits, [PixelExtractor()], batch_size=64)["domain"]
    again = Reference.from_weights(reference.to_weights())
    for field in dataclasses.fields(Reference):
        if field.name != "statistics":
            assert getattr(again, field.name) == getattr(reference, field.name)
    assert torch.equal(again.statistics.scatter, reference.statistics.scatter)
    with pytest.raises(EvaluationError, match="no reference statistics"):
        Reference.from_weights(Weights({}, {"kind": "something"}))


def test_the_floor_can_be_taken_at_the_number_of_samples(splits: ImageSplits) -> None:
    whole = build_reference(splits, [PixelExtractor()], 64)["domain"]
    part = build_reference(splits, [PixelExtractor()], 64, floor_samples=30)["domain"]
    assert (whole.floor_count, part.floor_count) == (100, 30)
    assert part.floor > whole.floor
    assert part.floor == build_reference(splits, [PixelExtractor()], 64, floor_samples=30)["domain"].floor


def test_the_protocol_says_how_a_number_came_about(splits: ImageSplits) -> None:
    reference = build_reference(splits, [PixelExtractor()], 64)["domain"]
    protocol = reference.protocol(num_samples=250, weights="ema", splits=5, seed=3)
    assert protocol.label == "domain_fid@250v300-train"
    assert protocol.reference_name == "toy/train"
    assert protocol.reference_digest == splits.train.digest
    assert protocol.extractor_digest == "d" * 64
