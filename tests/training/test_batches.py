"""Batches: a pure function of (seed, index)."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import DataError, RecipeError
from papergan.game.sharding import Shard
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


def test_what_is_left_over_makes_a_smaller_batch_where_it_is_wanted():
    source = batches(drop_last=False)
    assert source.per_epoch == 4
    epoch = [source.at(k) for k in range(4)]
    assert [len(batch["label"]) for batch in epoch] == [3, 3, 3, 1]
    assert sorted(label for batch in epoch for label in batch["label"].tolist()) == list(range(10))
    assert [source.progress(step, 1).images for step in range(6)] == [0, 3, 6, 9, 10, 13]
    assert [source.progress(step, 2).images for step in range(4)] == [0, 6, 10, 16]
    assert source.progress(4, 1).epoch == 1


def test_nothing_left_over_makes_no_batch():
    kept, dropped = batches(drop_last=False, batch_size=5), batches(batch_size=5)
    assert kept.per_epoch == dropped.per_epoch == 2
    assert kept.progress(5, 1) == dropped.progress(5, 1)


def test_the_smaller_batch_at_the_end_of_an_epoch_is_coming():
    some = batches(drop_last=False, batch_size=4)
    sizes = [len(some.at(step)["image"]) for step in range(4)]
    assert len(set(sizes)) > 1
    assert [some.progress(step, 1).coming for step in range(4)] == sizes


def test_steps_are_counted_anew_in_every_epoch():
    assert [batches(drop_last=False).step_of_epoch(step, 1) for step in range(9)] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    three_to_a_step = [batches(drop_last=False).step_of_epoch(step, 3) for step in range(6)]
    assert three_to_a_step == [0, 1, 0, 0, 0, 1]  # four batches to an epoch: steps begin at 0, 3 | 6 | 9 | 12, 15


def test_ranks_share_the_smaller_batch_too():
    ranks = [batches(drop_last=False, batch_size=4, shard=Shard(rank, 2)) for rank in range(2)]
    whole = batches(drop_last=False, batch_size=4)
    for k in range(3):
        together = torch.cat([rank.at(k)["label"] for rank in ranks])
        assert torch.equal(together, whole.at(k)["label"])
    with pytest.raises(RecipeError, match="2 devices cannot share a batch of 1 evenly"):
        Batches(IMAGES[:9], LABELS[:9], batch_size=4, seed=0, device="cpu", drop_last=False, shard=Shard(0, 2))
