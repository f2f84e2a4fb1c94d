"""A leader and a follower: what they train, what they see, and what becomes of errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from papergan.distributed.evaluator import in_memory


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
