"""A game on two ranks is the game of one process with the same global batch, to ten digits, in every system; a leader
and a follower: what they train, what they see, and what becomes of errors. One pair of processes does all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.two_ranks import GAMES, SLIPS, WORLD, build, start
from papergan.distributed.evaluator import in_memory
from papergan.game.batch_norm import share_batch_norm
from papergan.game.sharding import Shard, all_gather, batch_mean, is_shared, per_image, use_shard

# Gradients that are 0 but for rounding, of biases before BatchNorm, become steps of up to 5e-11 by Adam's epsilon; of
# StyleGAN's first bias, where maps are constant and their deviation is 1e-4, steps of up to 2e-9.
TIGHT = {"rtol": 1e-8, "atol": 5e-9}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank came to, by game; rank 0 also played alone, and led."""
    folder = tmp_path_factory.mktemp("ranks")
    ranks = start(folder)
    try:
        outputs = [rank.communicate(timeout=200)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * WORLD, "\n".join(outputs)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


def worst(mine: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest relative difference among the reports of the first step."""
    names = [name for name in expected if name.startswith("step 0")]
    assert names
    return max(float((mine[name] - expected[name]).abs() / expected[name].abs().clamp_min(1e-6)) for name in names)


@pytest.mark.parametrize("name", GAMES)
def test_two_ranks_come_to_what_one_process_comes_to(found, name):
    expected, mine = found[0]["alone"][name], found[0]["together"][name]
    assert mine.keys() == expected.keys()
    for key, value in expected.items():
        assert mine[key].dtype == value.dtype
        torch.testing.assert_close(mine[key], value, **TIGHT, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", GAMES)
def test_ranks_stay_the_same_to_the_last_bit(found, name):
    first, second = (rank["together"][name] for rank in found)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_turns_that_matter_were_taken(found):
    reports = found[0]["together"]["hybrid"]
    assert "step 0, discriminator.r1" in reports
    assert "step 1, discriminator.r1" not in reports
    assert "step 0, generator.feature_matching" in reports
    assert "step 1, discriminator.feature_shrinkage" in reports
    assert any("running_var" in name for name in reports)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_would_be_noticed(found, slip):
    name = SLIPS[slip][0]
    assert worst(found[0]["together"][name], found[0]["alone"][name]) < 1e-8
    assert worst(found[0]["slips"][slip], found[0]["alone"][name]) > 1e-5


def test_second_derivatives_pass_through_the_rows_of_all_ranks(found):
    expected = found[0]["alone"]["slopes"]
    mine = [rank["together"]["slopes"] for rank in found]
    torch.testing.assert_close(sum(part["value"] for part in mine) / WORLD, expected["value"], **TIGHT)
    for which in ("first", "second"):
        torch.testing.assert_close(torch.cat([part[which] for part in mine]), expected[which], **TIGHT)


def test_dragans_deviation_is_that_of_the_whole_batch(found):
    """Its penalty hardly depends on it in a first step, where discriminators are all but linear."""
    expected = found[0]["alone"]["spread"]["spread"]
    for rank in found:
        torch.testing.assert_close(rank["together"]["spread"]["spread"], expected, **TIGHT)
    images = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    images += torch.arange(4).view(4, 1, 1, 1)
    torch.testing.assert_close(expected, images.std(correction=0), **TIGHT)


def test_only_the_movers_gradients_travel(found):
    game = build("wgan_gp")  # two critic moves with loss and penalty, one of the generator with its loss
    weights = {name: sum(w.numel() for w in game.networks[name].parameters()) for name in game.networks}
    lengths = found[0]["travelling"]["lengths"].tolist()
    large = [length for length in lengths if length >= min(weights["discriminator"], weights["generator"])]
    critic = weights["discriminator"] + 2
    assert large == [critic, critic, weights["generator"] + 1]


def test_without_a_shard_everything_is_as_it_was():
    rows = torch.randn(4, 3)
    assert all_gather(rows) is rows
    assert torch.equal(batch_mean(rows), rows.mean(dim=0))
    torch.manual_seed(0)
    drawn = per_image(lambda count: torch.rand(count, 2), 4)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(4, 2))


def test_a_rank_takes_its_rows_of_what_is_drawn_for_all_on_any_axis():
    whole = torch.arange(24).view(2, 12)
    with use_shard(Shard(1, 3)):
        assert is_shared()
        assert torch.equal(per_image(lambda count: whole[:, :count], 4, dim=1), whole[:, 4:8])
    assert not is_shared()


def test_a_shared_batch_norm_without_a_shard_is_torchs_own():
    ours, torchs = (torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)) for _ in range(2))
    share_batch_norm(ours)
    images = torch.randn(5, 3, 4, 4)
    assert torch.equal(ours(images), torchs(images))
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    assert all(torch.equal(ours.state_dict()[key], value) for key, value in torchs.state_dict().items())
    assert isinstance(ours[0], torch.nn.BatchNorm2d)


def test_a_batch_norm_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="SyncBatchNorm cannot be shared out"):
        share_batch_norm(torch.nn.Sequential(torch.nn.SyncBatchNorm(2)))


# ---- a leader and a follower -----------------------------------------------------------------------------------------


def test_a_training_with_a_follower_is_that_of_one_process_also_where_it_is_resumed(found):
    together, alone = found[0]["led"]["together"], found[0]["led"]["alone"]
    assert len(together["losses"]) == 4
    for step, row in alone["losses"].items():
        assert together["losses"][step].keys() == row.keys()
        for name, value in row.items():
            torch.testing.assert_close(together["losses"][step][name], value, rtol=1e-4, atol=1e-5)
    assert together["weights"].keys() == alone["weights"].keys()


@pytest.mark.parametrize("what", ["features", "logits", "pixels", "count"])
def test_what_two_ranks_see_is_what_one_sees_to_the_last_bit(found, what):
    evaluated = found[0]["led"]["evaluated"]
    assert evaluated["alone"]["count"] == 1700
    assert len(evaluated["alone"]["pixels"]) == 1200
    assert torch.equal(evaluated["together"][what], evaluated["alone"][what])


def test_an_error_of_a_follower_is_the_leaders_with_its_place(found):
    said = found[0]["led"]["evaluated"]["said"]
    assert said["not finite"].startswith("process 1 of 2: generated images [500, 3, 16, 16]")


def test_after_an_error_and_after_a_stop_the_ranks_are_still_in_step(found):
    evaluated = found[0]["led"]["evaluated"]
    assert "stopped after 0 images" in evaluated["said"]["stopped"]
    assert torch.equal(evaluated["again"]["features"], evaluated["alone"]["features"])


def test_a_follower_loads_no_kedro_and_writes_nothing(found):
    assert not bool(found[1]["kedro"])
    assert found[1]["written"] == {}


def test_weights_that_were_sent_are_files_for_as_long_as_they_are_read():
    with in_memory({"weights": torch.arange(5, dtype=torch.uint8)}) as places:
        assert Path(places["weights"]).read_bytes() == bytes(range(5))
        assert Path(places["weights"]).stat().st_size == 5
    assert not Path(places["weights"]).exists()
