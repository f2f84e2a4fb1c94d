"""Run as a script, this file is one rank: `python test_ranks.py RANK WORLD FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, distributed

from papergan.errors import EvaluationError
from papergan.evaluation.ranks import gathered_rows, merged_over_ranks
from papergan.evaluation.statistics import FeatureStatistics

SHARDS = {1: [701], 2: [700, 1], 3: [300, 0, 401]}
TIMEOUT = timedelta(seconds=60)


def features() -> Tensor:
    """Mean 10^4, deviation 1."""
    draw = torch.Generator().manual_seed(3)
    mixing = torch.randn(5, 5, generator=draw, dtype=torch.float64)
    return torch.randn(701, 5, generator=draw, dtype=torch.float64) @ mixing + 1e4


def places() -> Tensor:
    return torch.randperm(701, generator=torch.Generator().manual_seed(4))


def statistics_of(rows: Tensor) -> FeatureStatistics:
    statistics = FeatureStatistics(rows.shape[1])
    if len(rows):  # an empty rank never sees a batch
        statistics.update(rows)
    return statistics


def one_rank(rank: int, world: int, folder: Path) -> None:
    """Hold this rank's shard, put all together, and write down what this rank got."""
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=TIMEOUT)
    where = places().split(SHARDS[world])[rank]
    rows = features()[where]
    before = statistics_of(rows)
    merged = merged_over_ranks(before).to_tensors()
    nothing = merged_over_ranks(FeatureStatistics(2))
    try:
        gathered_rows(rows[:1], where[:1] * 0)
        refused = "nothing"
    except EvaluationError as error:
        refused = str(error)
    found = {
        **merged,
        "rows": gathered_rows(rows, where),
        "small": gathered_rows(rows.float(), where),
        "untouched": torch.tensor(torch.equal(before.scatter, statistics_of(rows).scatter)),
        "nothing": torch.tensor(nothing.count),
        "refused": torch.tensor("same position" in refused),
    }
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module", params=SHARDS)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each rank of a world of 1, 2 or 3 processes got."""
    world, folder = request.param, tmp_path_factory.mktemp("ranks")
    loopback = "lo" if sys.platform == "linux" else "lo0"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(world), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        outputs = [rank.communicate(timeout=90)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * world, "\n".join(outputs)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(world)]


def test_merged_statistics_are_those_of_one_process_on_every_rank(results: list[dict[str, Tensor]]) -> None:
    alone = statistics_of(features())
    for found in results:
        assert int(found["count"]) == 701
        torch.testing.assert_close(found["mean"], alone.mean, rtol=1e-14, atol=0)
        torch.testing.assert_close(found["scatter"], alone.scatter, rtol=1e-12, atol=1e-12 * float(alone.scatter.max()))
        expected = np.cov(features().numpy(), rowvar=False)
        np.testing.assert_allclose(found["scatter"].numpy() / 700, expected, rtol=1e-10, atol=1e-10)


def test_merging_changes_no_input_and_takes_ranks_that_saw_nothing(results: list[dict[str, Tensor]]) -> None:
    assert all(bool(found["untouched"]) for found in results)
    assert all(int(found["nothing"]) == 0 for found in results)


def test_every_rank_gets_all_rows_in_their_global_order(results: list[dict[str, Tensor]]) -> None:
    for found in results:
        assert torch.equal(found["rows"], features())
        assert torch.equal(found["small"], features().float())


def test_a_row_that_two_ranks_hold_is_refused_by_all(results: list[dict[str, Tensor]]) -> None:
    refused = [bool(found["refused"]) for found in results]
    assert refused == [len(results) > 1] * len(results)


def test_without_a_process_group_nothing_is_sent() -> None:
    statistics = statistics_of(features())
    assert merged_over_ranks(statistics) is statistics
    assert torch.equal(gathered_rows(features()[places()], places()), features())
    assert gathered_rows(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, 4)


def test_rows_without_a_place_of_their_own_are_refused() -> None:
    with pytest.raises(EvaluationError, match="same position"):
        gathered_rows(torch.zeros(2, 4), torch.tensor([3, 3]))
    for positions in (torch.arange(3), torch.arange(2.0), torch.zeros(2, 1, dtype=torch.int64)):
        with pytest.raises(EvaluationError, match=r"int64 \[N\]"):
            gathered_rows(torch.zeros(2, 4), positions)


if __name__ == "__main__":
    torch.set_num_threads(1)
    one_rank(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
