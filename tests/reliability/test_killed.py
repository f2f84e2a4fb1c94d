"""kill -9, at any moment and at every stage of a save: what comes out is what would have come out."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from helpers import kinds
from helpers.harmed_runs import result, straight, whole
from helpers.subject import PLAN, Server, Subject

LONG = pytest.mark.reliability
FEW = 12  # steps
KILLED = -signal.SIGKILL


def kill_often(server: Server, folder: Path, kind: str, seconds: float, wanted: int, seed: int) -> dict[str, int]:
    """Kill a run at `wanted` random moments, starting it over where it finished before; then let it finish."""
    delays, kills, attempt, in_saves = random.Random(seed), 0, 0, 0
    while kills < wanted:
        subject = Subject(str(folder / str(attempt)), kind)
        if server.run(subject, kill_after=delays.uniform(0.05, seconds / 2)) == KILLED:
            kills += 1
            in_saves += bool(list(folder.glob(f"{attempt}/recipe/.step-*.part")))
        else:
            assert (folder / str(attempt) / "result.json").exists()
            attempt += 1
    assert server.run(Subject(str(folder / str(attempt)), kind)) == 0
    return {"kills": kills, "in_saves": in_saves, "attempt": attempt}


def compare(folder: Path, expected: dict, attempts: int) -> None:
    for attempt in range(attempts + 1):
        assert result(folder / str(attempt)) == expected
        assert not list(folder.glob(f"{attempt}/recipe/.step-*.part"))
        # a kill after the very last manifest and before the oldest went leaves one more, until the run is extended
        assert len(list(folder.glob(f"{attempt}/recipe/step-*.json"))) in (2, 3)


@pytest.mark.parametrize("kind", kinds.TINY)
def test_kills_at_random_moments_change_nothing(server, tmp_path, kind):
    _kill_and_compare(server, tmp_path, kind, wanted=5, seed=0)


@LONG
@pytest.mark.parametrize("kind", [*kinds.SYSTEMS, *kinds.TINY])
def test_twenty_kills_change_nothing_in_any_system(server, tmp_path, kind):
    _kill_and_compare(server, tmp_path, kind, wanted=20, seed=1)


def _kill_and_compare(server: Server, folder: Path, kind: str, wanted: int, seed: int) -> None:
    expected, seconds = straight(server, kind)
    facts = kill_often(server, folder / "killed", kind, seconds, wanted, seed)
    compare(folder / "killed", expected, facts["attempt"])
    print(f"{kind}: {facts}")


QUICK = ("several_players",)
EVERY = [kind if kind in QUICK else pytest.param(kind, marks=LONG) for kind in (*kinds.TINY, "hybrid")]


@pytest.fixture(scope="module", params=EVERY)
def prepared(request, server, tmp_path_factory) -> tuple[str, Path, dict]:
    """A run that was stopped with two checkpoints, and what it would come to."""
    folder = tmp_path_factory.mktemp(request.param)
    expected, _ = straight(server, request.param, steps=FEW)
    assert server.run(Subject(str(folder / "begun"), request.param, fault="stop", at=9)) == 128 + signal.SIGTERM
    return request.param, folder, expected


def test_a_kill_at_every_stage_of_a_save_leaves_two_whole_checkpoints(server, prepared, tmp_path):
    kind, begun, expected = prepared
    for stage in range(100):
        folder = tmp_path / str(stage)
        shutil.copytree(begun / "begun", folder)
        status = server.run(Subject(str(folder), kind, steps=FEW, fault="kill_in_save", at=stage))
        if status == 0:  # the save has fewer stages
            break
        assert status == KILLED
        assert whole(folder) >= 2, stage
        assert server.run(Subject(str(folder), kind, steps=FEW)) == 0
        assert result(folder) == expected, stage
        assert not list(folder.glob("recipe/.step-*.part"))
    assert stage >= 8  # two files: open, sync, rename, sync of the folder; then the old ones go


def test_a_kill_at_every_stage_of_the_first_save_leaves_a_run_that_goes_on(server, tmp_path):
    expected, _ = straight(server, "two_player", steps=3)
    for stage in range(100):
        folder = tmp_path / str(stage)
        status = server.run(Subject(str(folder), "two_player", steps=3, fault="kill_in_save", at=stage))
        if status == 0:
            break
        assert server.run(Subject(str(folder), "two_player", steps=3)) == 0
        assert result(folder) == expected, stage
    assert stage >= 6


def test_how_often_it_is_evaluated_and_for_how_long_changes_no_weight(server, tmp_path):
    expected, _ = straight(server, "with_controller")
    folder = tmp_path / "extended"
    for steps in (5, 9, 16, PLAN.steps):
        assert server.run(Subject(str(folder), "with_controller", steps=steps)) == 0
    assert {part: result(folder)[part] for part in ("networks", "average", "optimisers", "controllers")} == {
        part: expected[part] for part in ("networks", "average", "optimisers", "controllers")
    }
