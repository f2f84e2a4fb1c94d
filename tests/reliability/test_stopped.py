"""Ctrl-C and SIGTERM, in a step, in an evaluation, in a save, and twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import kinds
from helpers.harmed_runs import result, straight
from helpers.subject import Server, Subject
from papergan.training.checkpoint import CheckpointStore

FEW = 12
KINDS = [
    "with_controller",
    *(pytest.param(kind, marks=pytest.mark.reliability) for kind in ("two_player", "several_players", "hybrid")),
]
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def stop(server: Server, subject: Subject, number: int, when: Callable[[Path], bool], times: int = 1) -> int:
    """Run, send the signal once `when` says so, return the exit status."""
    child = server.start(subject)
    deadline = time.monotonic() + 30
    while not when(Path(subject.folder) / "recipe"):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    for _ in range(times):
        os.kill(child, number)
        time.sleep(0.1)
    return server.wait()


def has_a_checkpoint(folder: Path) -> bool:
    return bool(list(folder.glob("step-*.json")))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("where", "when"),
    [
        ({"step_seconds": 0.05}, has_a_checkpoint),
        ({"fault": "long_evaluation"}, lambda folder: (folder / "evaluating").exists()),
        ({"fault": "slow_save", "at": 50}, lambda folder: (folder / "saving").exists()),
    ],
    ids=["in a step", "in an evaluation", "in a save"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_it_stops_politely_and_goes_on_from_there(server, tmp_path, kind, where, when, number):
    expected, _ = straight(server, kind, steps=FEW)
    began = time.monotonic()
    assert stop(server, Subject(str(tmp_path / "run"), kind, steps=FEW, **where), number, when) == 128 + number
    assert time.monotonic() - began < 20
    newest = CheckpointStore(tmp_path / "run", "recipe").latest()
    assert newest is not None
    assert newest.step < FEW
    assert "Traceback" not in (tmp_path / "run.said").read_text()
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW)) == 0
    assert result(tmp_path / "run") == expected


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_second_signal_ends_at_once_what_hears_no_signal(server, tmp_path, number, status):
    expected, _ = straight(server, "two_player", steps=FEW)
    began = time.monotonic()
    deaf = Subject(str(tmp_path / "run"), "two_player", steps=FEW, fault="deaf_evaluation")
    assert stop(server, deaf, number, lambda folder: (folder / "evaluating").exists(), times=2) == status
    assert time.monotonic() - began < 20
    assert server.run(Subject(str(tmp_path / "run"), "two_player", steps=FEW)) == 0
    assert result(tmp_path / "run") == expected


def test_the_kinds_are_the_ones_the_guarantees_speak_of():
    assert {"two_player", "with_controller", "several_players"} == set(kinds.TINY)
    game = kinds.build("with_controller")
    assert game.controllers
    assert len(kinds.build("several_players").players) == 4
