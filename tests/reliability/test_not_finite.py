"""NaN and infinity in a weight, a loss, a gradient, a pixel, a score: named, kept off the disk, never a score."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers import kinds
from helpers.harmed_runs import last_line, result, straight
from helpers.subject import Server, Subject, flat
from papergan.errors import NotFiniteError
from papergan.game.nan_guard import check_finite
from papergan.training.checkpoint import CheckpointStore

STEP = 6
KINDS = [*kinds.TINY, *(pytest.param(kind, marks=pytest.mark.reliability) for kind in kinds.SYSTEMS)]


def poisoned(server: Server, folder: Path, kind: str, fault: str) -> str:
    """The last line of a run that is poisoned at step 6; its newest checkpoint is finite, and from before."""
    assert server.run(Subject(str(folder), kind, fault=fault, at=STEP)) == 1, folder.with_suffix(".said").read_text()
    newest = CheckpointStore(folder, "recipe").latest()
    assert newest is not None
    assert newest.step <= STEP
    game = newest.state["game"]
    for tensor in flat(game).values():
        assert torch.isfinite(tensor).all()
    assert not (folder / "result.json").exists()
    return last_line(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["weight", "loss", "gradient", "weight_after_move"])
def test_it_names_the_step_and_the_term_and_keeps_the_checkpoint_before(server, tmp_path, kind, fault):
    line = poisoned(server, tmp_path / "run", kind, fault)
    assert line.startswith(
        f"papergan: step {STEP}, " if fault != "weight_after_move" else f"papergan: step {STEP + 1}: "
    )
    if fault == "loss":
        assert "=nan" in line.split("gradient_norm")[0]
    if fault == "gradient":
        assert "gradient_norm=nan" in line
        assert "nan" not in line.split("gradient_norm")[0]
    if fault == "weight_after_move":
        assert " is not finite. " in line
        assert "networks." in line


def test_the_run_can_go_on_from_the_checkpoint_before(server, tmp_path):
    expected, _ = straight(server, "with_controller")
    poisoned(server, tmp_path / "run", "with_controller", "gradient")
    assert server.run(Subject(str(tmp_path / "run"), "with_controller")) == 0
    assert result(tmp_path / "run") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_that_is_no_number_never_becomes_a_score(server, tmp_path, kind):
    folder = tmp_path / "run"
    assert server.run(Subject(str(folder), kind, fault="pixel", at=0)) == 1
    assert last_line(folder).startswith("papergan: step 8: generated images [")
    newest = CheckpointStore(folder, "recipe").latest()
    assert newest.step == 8 or newest.step == 7
    assert '"metrics": []' in newest.state["history"]


def test_a_score_that_is_no_number_is_left_out_with_a_warning(server, tmp_path):
    folder = tmp_path / "run"
    assert server.run(Subject(str(folder), "two_player", fault="score", at=8)) == 0
    assert "evaluation at step 8: fid, kid not finite, so left out" in folder.with_suffix(".said").read_text()
    assert len(result(folder)["scores"]) == 2


def test_every_number_of_a_state_is_looked_at():
    state = {"networks": {"w": torch.ones(3), "n": torch.tensor(4)}, "controllers": {"k": {"k": 0.5, "who": "text"}}}
    check_finite(1, state)
    check_finite(1, {})
    with pytest.raises(NotFiniteError, match=r"step 7: controllers\.k\.k is not finite"):
        check_finite(7, {**state, "controllers": {"k": {"k": float("inf")}}})
    for bad in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(NotFiniteError, match=r"networks\.w"):
            check_finite(7, {"networks": {"v": torch.ones(2), "w": torch.tensor([1.0, bad])}})
