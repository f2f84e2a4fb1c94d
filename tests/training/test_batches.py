"""Batches: a pure function of (seed, index)."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import DataError
from papergan.training.batches import Batches

IMAGES = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).repeat(1, 3, 4, 4) * 20
LABELS = torch.arange(10)


def batches(**changes) -> Batches:
    return Batches(IMAGES, LABELS, **({"batch_size": 3, "seed": 0, "device": "cpu"} | changes))


def test_an_epoch_sees_every_image_at_most_once_and_epochs_differ():
    source = batches()
    assert source.per_epoch == 3
    epochs = [[label for k in range(3) for label in source.at(3 * e + k)["label"].tolist()] for e in range(2)]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_batch_is_a_function_of_its_index_whatever_came_before():
    straight, jumping = batches(flip=True), batches(flip=True)
    expected = [straight.at(k) for k in range(8)]
    for k in (7, 0, 5, 5, 2):
        got = jumping.at(k)
        assert torch.equal(got["image"], expected[k]["image"])
        assert torch.equal(got["label"], expected[k]["label"])


def test_seeds_matter_and_the_ambient_random_state_does_not():
    torch.manual_seed(1)
    first = batches().at(0)["label"].tolist()
    torch.manual_seed(2)
    assert batches().at(0)["label"].tolist() == first
    assert batches(seed=1).at(0)["label"].tolist() != first


def test_images_are_in_model_range_with_their_labels_and_channels_last():
    batch = batches().at(0)
    assert batch["image"].dtype == torch.float32
    torch.testing.assert_close(batch["image"][:, 0, 0, 0], batch["label"] * 20 / 127.5 - 1)
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)


def test_flips_mirror_about_half_of_the_images():
    ramp = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).repeat(400, 1, 4, 1)
    source = Batches(ramp, torch.zeros(400, dtype=torch.int64), batch_size=400, seed=0, device="cpu", flip=True)
    images = source.at(0)["image"]
    mirrored = images[:, 0, 0, 0] > images[:, 0, 0, 3]
    assert 150 < mirrored.sum() < 250
    assert not torch.equal(mirrored, source.at(1)["image"][:, 0, 0, 0] > source.at(1)["image"][:, 0, 0, 3])


def test_too_few_images_are_refused():
    with pytest.raises(DataError, match="10 images cannot fill a batch of 11"):
        batches(batch_size=11)


@pytest.mark.parametrize(
    ("images", "labels", "got"),
    [
        (IMAGES.float(), LABELS, r"torch\.float32 \(10, 3, 4, 4\)"),
        (IMAGES[0], LABELS, r"torch\.uint8 \(3, 4, 4\)"),
        (IMAGES, LABELS[:7], r"and \(7,\)"),
    ],
)
def test_what_is_no_set_of_images_is_refused_with_what_was_expected(images, labels, got):
    with pytest.raises(DataError, match=rf"uint8 \[N, C, S, S\] and labels \[N\], got .*{got}"):
        Batches(images, labels, batch_size=3, seed=0, device="cpu")
