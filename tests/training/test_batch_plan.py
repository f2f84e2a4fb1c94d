"""The plan of batches: against a walk from batch to batch, and with one size against the formulas of one size."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
import torch

from papergan.errors import DataError, RecipeError
from papergan.game.schedules import HalfLife, Progress
from papergan.game.sharding import Shard
from papergan.training.batch_plan import BatchPlan, BatchSizes
from papergan.training.batches import Batches

CHANGES = [{}, {7: 3}, {6: 3, 26: 1}, {1: 5, 2: 4, 3: 3}, {40: 10, 45: 7, 100: 2}, {19: 9}]


def walk(images: int, size: int, changes: dict[int, int], count: int) -> list[tuple[int, int, int, int]]:
    """Epoch, first image, size and images before it of `count` batches, one after another."""
    found, epoch, first, before = [], 0, 0, 0
    for _ in range(count):
        now = next((changes[at] for at in sorted(changes, reverse=True) if before >= at), size)
        if first + now > images:
            epoch, first = epoch + 1, 0
        found.append((epoch, first, now, before))
        first, before = first + now, before + now
        if first + now > images:  # over by the size that it had
            epoch, first = epoch + 1, 0
    return found


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("images", [10, 11, 13])
def test_a_batch_is_where_a_walk_through_all_of_them_comes_to_it(images, changes):
    plan = BatchPlan(images, BatchSizes(4, changes))
    walked = walk(images, 4, changes, 80)
    for batch, (*place, before) in enumerate(walked):
        assert plan.place(batch) == tuple(place)
        assert plan.before(batch) == plan.sizes.before(batch) == before
        assert plan.sizes.until(before) == batch
        assert plan.sizes.until(before + 1) == batch + 1
        assert plan.first_of(place[0]) == next(n for n, other in enumerate(walked) if other[0] == place[0])
    epochs = [plan.epoch(batch) for batch in range(80)]
    assert epochs == sorted(epochs)
    assert [int(epoch) for epoch in epochs] == [place[0] for place in walked]


@pytest.mark.parametrize("drop_last", [True, False])
def test_with_one_size_it_is_the_arithmetic_of_one_size(drop_last):
    plan = BatchPlan(11, BatchSizes(3), drop_last)
    per_epoch = 3 if drop_last else 4
    assert plan.per_epoch == per_epoch
    for batch in range(30):
        epoch, place = divmod(batch, per_epoch)
        assert plan.place(batch) == (epoch, 3 * place, min(3, 11 - 3 * place))
        assert plan.before(batch) == epoch * (9 if drop_last else 11) + 3 * place
        assert plan.epoch(batch) == Fraction(batch, per_epoch)
        assert float(plan.epoch(batch)) == batch / per_epoch
        assert [plan.passed(batch, every) for every in (1, 4, 7)] == [batch // every for every in (1, 4, 7)]


def test_evaluations_come_at_the_same_share_of_an_epoch_whatever_the_size():
    labels = torch.zeros(48, dtype=torch.int64)
    images, sizes = torch.zeros(48, 1, 2, 2, dtype=torch.uint8), {48: 4, 72: 2}
    source = Batches(images, labels, batch_size=8, batch_sizes=sizes, seed=0, device="cpu")
    due = [step for step in range(1, 60) if source.are_due(step, 1, 3)]  # three batches of eight are half an epoch
    assert [source.progress(step, 1).images for step in due] == [24 * n for n in range(1, len(due) + 1)]
    assert not source.are_due(0, 1, 3)


def test_rows_are_shown_once_in_an_epoch_across_a_change_and_ranks_share_every_size():
    images = torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1)
    how = {"batch_size": 6, "batch_sizes": {12: 2, 40: 4}, "seed": 0, "device": "cpu"}
    whole = Batches(images, torch.arange(24), **how)
    labels = [label for batch in range(2 + 6) for label in whole.at(batch)["label"].tolist()]
    assert sorted(labels) == list(range(24))
    ranks = [Batches(images, torch.arange(24), **how, shard=Shard(rank, 2)) for rank in (0, 1)]
    for batch in range(20):
        together = torch.cat([rank.at(batch)["label"] for rank in ranks])
        assert torch.equal(together, whole.at(batch)["label"])
    with pytest.raises(RecipeError, match="2 devices cannot share a batch of 3 evenly"):
        Batches(images, torch.arange(24), **how | {"batch_sizes": {12: 3}}, shard=Shard(0, 2))


def test_steps_are_counted_anew_in_every_epoch_across_a_change():
    source = Batches(torch.zeros(12, 1, 1, 1, dtype=torch.uint8), torch.zeros(12, dtype=torch.int64), batch_size=6,
                     batch_sizes={6: 3, 24: 4}, seed=0, device="cpu")  # fmt: skip
    assert [source.step_of_epoch(step, 1) for step in range(10)] == [0, 1, 2, 0, 1, 2, 3, 0, 1, 2]
    first = [ceil(batch / 2) for batch in (0, 3, 7)]  # two batches to a step
    assert [source.step_of_epoch(step, 2) for step in range(2, 4)] == [2 - first[1], 3 - first[1]]


def test_an_average_by_its_half_life_weighs_a_step_by_its_own_images():
    source = Batches(torch.zeros(64, 1, 1, 1, dtype=torch.uint8), torch.zeros(64, dtype=torch.int64), batch_size=16,
                     batch_sizes={64: 4}, seed=0, device="cpu")  # fmt: skip
    decays = [HalfLife(100.0)(source.progress(step, 1)) for step in (3, 4, 40)]
    assert decays == pytest.approx([0.5 ** (count / 100) for count in (16, 4, 4)])
    assert HalfLife(100.0)(Progress(2, 64)) == pytest.approx(0.5 ** (32 / 100))


def test_too_few_images_for_the_largest_batch_are_refused():
    with pytest.raises(DataError, match="10 images cannot fill a batch of 12: lower training.batch_size"):
        BatchPlan(10, BatchSizes(4, {20: 12}))


def test_the_size_at_so_many_images_is_that_of_the_newest_batch():
    sizes = BatchSizes(4, {10: 8})  # three batches of 4, the last of which begins before 10 and ends at 12
    assert [sizes.at(images) for images in (0, 4, 12, 13, 20, 28)] == [4, 4, 4, 8, 8, 8]
    assert BatchSizes(3).at(0) == BatchSizes(3).at(30) == 3
