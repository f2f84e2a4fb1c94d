"""Drawn shapes: the same everywhere, balanced, with modes that can be told apart."""

from __future__ import annotations

import pytest
import torch

from papergan.data.drawn.shapes import CLASSES, synthetic_shapes


def test_every_image_is_a_function_of_its_index_split_and_seed():
    long, short = synthetic_shapes("train", 120), synthetic_shapes("train", 40)
    assert torch.equal(long.images[:40], short.images)
    assert torch.equal(long.labels[:40], short.labels)
    assert not torch.equal(synthetic_shapes("train", 40, seed=1).images, short.images)
    assert not torch.equal(synthetic_shapes("test", 40).images, short.images)


def test_the_ambient_random_state_is_not_used():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    synthetic_shapes("train", 20)
    assert torch.equal(before, torch.get_rng_state())


def test_the_content_is_pinned():
    """The published digest of the demo's training set; a change here changes every number of the demo."""
    assert synthetic_shapes("train", 10_000).digest.startswith("45aaa71539c4")
    assert synthetic_shapes("test", 2_000).digest.startswith("993bb3d28af7")


def test_ten_balanced_classes_of_colour_images():
    shapes = synthetic_shapes("train", 200)
    assert shapes.images.shape == (200, 3, 32, 32)
    assert shapes.images.dtype == torch.uint8
    assert torch.bincount(shapes.labels).tolist() == [20] * 10
    assert len(CLASSES) == len(set(CLASSES)) == 10
    assert len({image.numpy().tobytes() for image in shapes.images}) == 200


def test_train_and_test_have_no_image_in_common():
    train = {image.numpy().tobytes() for image in synthetic_shapes("train", 2000).images}
    assert not train & {image.numpy().tobytes() for image in synthetic_shapes("test", 2000).images}


def test_classes_can_be_told_apart():
    """One nearest neighbour on edges beats chance by far: the modes are real."""

    def edges(images: torch.Tensor) -> torch.Tensor:
        grey = images.float().mean(1)
        contrast = (grey - grey.mean((1, 2), keepdim=True)).abs()
        return torch.nn.functional.avg_pool2d(contrast[:, None], 2).flatten(1)

    train, test = synthetic_shapes("train", 3000), synthetic_shapes("test", 300)
    a, b = (torch.nn.functional.normalize(edges(part.images)) for part in (test, train))
    found = train.labels[torch.cdist(a, b).argmin(1)]
    assert (found == test.labels).float().mean() > 0.4


@pytest.mark.parametrize("count", [0, 1, 13])
def test_small_counts(count):
    assert len(synthetic_shapes("train", count)) == count
