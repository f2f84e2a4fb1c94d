"""Drawn digits: the same everywhere, balanced, and told apart by anybody."""

from __future__ import annotations

import pytest
import torch

from papergan.data.drawn.digits import DIGITS, STROKES, synthetic_digits
from papergan.errors import DataError


def test_every_image_is_a_function_of_its_index_split_and_seed():
    long, short = synthetic_digits("train", 120), synthetic_digits("train", 40)
    assert torch.equal(long.images[:40], short.images)
    assert not torch.equal(synthetic_digits("train", 40, seed=1).images, short.images)
    assert not torch.equal(synthetic_digits("test", 40).images, short.images)


def test_the_content_is_pinned():
    """The digest of the demo's images; a change here changes every number of the demo."""
    assert synthetic_digits("train", 1_000).digest.startswith("e31b7d6b592e")
    assert synthetic_digits("test", 200).digest.startswith("e475fa34eac3")


def test_ten_balanced_classes_of_grey_images():
    digits = synthetic_digits("train", 200)
    assert digits.images.shape == (200, 1, 32, 32)
    assert digits.images.dtype == torch.uint8
    assert torch.bincount(digits.labels).tolist() == [20] * 10
    assert digits.classes == DIGITS == tuple(STROKES)


def test_strokes_stay_inside_the_image():
    images = synthetic_digits("train", 1000).images
    border = torch.cat([images[:, 0, 0], images[:, 0, -1], images[:, 0, :, 0], images[:, 0, :, -1]], dim=1)
    assert (border == 0).float().mean() > 0.99
    assert (images.amax((1, 2, 3)) >= 0.7 * 255).all()


def test_classes_can_be_told_apart():
    train, test = synthetic_digits("train", 1000), synthetic_digits("test", 200)
    a, b = (torch.nn.functional.normalize(part.images.float().flatten(1)) for part in (test, train))
    assert (train.labels[(a @ b.T).argmax(1)] == test.labels).float().mean() > 0.9


@pytest.mark.parametrize(("split", "count"), [("validation", 10), ("train", -1)])
def test_wrong_splits_and_counts_are_refused(split, count):
    with pytest.raises(DataError, match="synthetic_digits: expected 'train' or 'test' and a count"):
        synthetic_digits(split, count)
