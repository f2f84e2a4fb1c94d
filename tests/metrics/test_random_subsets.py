"""Draws depend on their seed and purpose alone, and on nothing that is not part of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from papergan.evaluation.image_features import extract_features
from papergan.evaluation.reference import reference_rows
from papergan.metrics.random_subsets import BLOCK, Reservoir, kept_of, keys, order, random_rows, resampled_rows

STREAM = torch.arange(3000)


def kept(stream: Tensor, cut: int, count: int, seed: int = 0, first: int = 0) -> Tensor:
    reservoir = Reservoir(count, seed, first)
    for part in stream.split(cut):
        reservoir.offer(part)
    return reservoir.kept()


def test_a_draw_is_a_function_of_seed_and_purpose() -> None:
    assert torch.equal(random_rows(50, 20, 1, "a"), random_rows(50, 20, 1, "a"))
    for other in (random_rows(50, 20, 2, "a"), random_rows(50, 20, 1, "b"), reference_rows(50, 20)):
        assert not torch.equal(random_rows(50, 20, 1, "a"), other)
    assert len(set(random_rows(50, 20, 1, "a").tolist())) == 20
    assert random_rows(5, 9, 1, "a").tolist() == [0, 1, 2, 3, 4]
    assert order(9, 1).sort().values.tolist() == list(range(9))


def test_a_draw_with_replacement_repeats_and_reaches_everything() -> None:
    rows = resampled_rows(100, 1000, 0, "a")
    assert torch.equal(rows, resampled_rows(100, 1000, 0, "a"))
    assert set(rows.tolist()) == set(range(100))
    assert len(resampled_rows(3, 7, 0)) == 7


@pytest.mark.parametrize("count", [1, 40, 1200, 3000, 5000])
def test_how_a_stream_is_cut_and_how_long_it_was_said_to_be_change_nothing(count: int) -> None:
    expected = kept_of(3000, count, 0)
    assert len(expected) == min(count, 3000)
    for cut in (1 if count == 40 else 333, 250, 3000):
        assert torch.equal(kept(STREAM, cut, count), expected)  # the stream's places are its values


def test_parts_keep_together_what_the_whole_keeps() -> None:
    whole = kept_of(3000, 700, 5)
    parts = []
    for start in range(0, 3000, 500):
        mine = int(((whole >= start) & (whole < start + 500)).sum())
        parts.append(kept(STREAM[start : start + 500], 200, mine, 5, start))
    assert torch.equal(torch.cat(parts), whole)


def test_every_place_is_as_likely() -> None:
    """1000 draws of 30 from 300: each place 100 times, deviation 9.5, so all within five of them."""
    times = torch.stack([torch.bincount(kept_of(300, 30, seed), minlength=300) for seed in range(1000)]).sum(0)
    assert int(times.sum()) == 30_000
    assert int(times.min()) > 52
    assert int(times.max()) < 148


def test_keys_do_not_depend_on_where_they_are_asked_for() -> None:
    whole = keys(3, 0, 3 * BLOCK)
    for start, stop in ((0, 1), (BLOCK - 1, BLOCK + 1), (5, 2 * BLOCK + 7), (BLOCK, BLOCK)):
        assert torch.equal(keys(3, start, stop), whole[start:stop])
    assert len(set(whole.tolist())) == len(whole)


def test_little_is_held_while_a_long_stream_goes_by() -> None:
    reservoir, most = Reservoir(50, 0), 0
    for part in torch.arange(20_000).split(100):
        reservoir.offer(part)
        most = max(most, sum(map(len, reservoir._parts)))
    assert most <= 2 * 50
    assert len(reservoir.kept()) == 50


def test_nothing_is_kept_where_nothing_is_asked_for() -> None:
    seen = extract_features(torch.zeros(5, 1, 4, 4, dtype=torch.uint8), [])
    assert seen.pixels.shape == (0,)
    assert seen.pixels.dtype == torch.uint8
    assert seen.count == 5
