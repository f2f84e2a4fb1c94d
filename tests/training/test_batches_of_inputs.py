"""Batches with input images: pairs stay pairs, another domain is passed over on its own."""

import pytest
import torch

from papergan.errors import DataError
from papergan.game.sharding import Shard
from papergan.training.batches import Batches

IMAGES = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
IMAGES[:, :, :, 1] += 100  # so that a mirrored image is seen


def batches(inputs, **how):
    labels = torch.zeros(len(IMAGES), dtype=torch.int64)
    return Batches(IMAGES, labels, batch_size=4, seed=3, device="cpu", inputs=inputs, **how)


def numbers(images):
    return (images * 127.5 + 127.5).round().int().amin((1, 2, 3)).tolist()


def test_pairs_are_shuffled_and_mirrored_together():
    found = batches(IMAGES + 20, flip=True)
    for index in range(6):
        batch = found.at(index)
        torch.testing.assert_close(batch["input"], batch["image"] + 20 / 127.5)


def test_another_domain_is_passed_over_whole_before_any_image_comes_again():
    found = batches(IMAGES[:7], paired=False)
    seen = [number for index in range(14) for number in numbers(found.at(index)["input"])]
    for first in range(0, 49, 7):
        assert sorted(seen[first : first + 7]) == list(range(7))
    assert seen[:7] != seen[7:14]


def test_a_batch_is_a_function_of_its_index_and_ranks_share_it():
    found, later = batches(IMAGES[:7], paired=False, flip=True), batches(IMAGES[:7], paired=False, flip=True)
    wanted = [found.at(index)["input"] for index in range(8)]
    for index in (7, 2, 5):
        assert torch.equal(later.at(index)["input"], wanted[index])
    ranks = [batches(IMAGES[:7], paired=False, flip=True, shard=Shard(rank, 2)) for rank in (0, 1)]
    for index in range(8):
        assert torch.equal(torch.cat([rank.at(index)["input"] for rank in ranks]), wanted[index])


def test_pairs_of_another_count_are_refused():
    with pytest.raises(DataError, match="7 input images cannot be pairs of 10 images"):
        batches(IMAGES[:7])
