"""Full, read-only and vanished disks; checkpoints that were cut, altered, swapped, or are somebody else's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import kinds
from helpers.harmed_runs import last_line, result, said, straight, whole
from helpers.subject import Subject
from papergan.atomic_files import check_room
from papergan.errors import PaperganError, StorageError
from papergan.training.checkpoint import CheckpointStore, checkpoint_bytes

FEW = 12


@pytest.fixture(scope="module", params=["several_players", pytest.param("hybrid", marks=pytest.mark.reliability)])
def begun(request, server, tmp_path_factory) -> tuple[str, Path, dict]:
    """A run that was stopped with two checkpoints, and what it would come to."""
    folder = tmp_path_factory.mktemp(request.param)
    expected, _ = straight(server, request.param, steps=FEW)
    assert server.run(Subject(str(folder / "begun"), request.param, fault="stop", at=9)) == 128 + signal.SIGTERM
    return request.param, folder / "begun", expected


def copied(begun: Path, folder: Path) -> CheckpointStore:
    shutil.copytree(begun, folder)
    return CheckpointStore(folder, "recipe")


def data(store: CheckpointStore, step: int) -> Path:
    (path,) = store.folder.glob(f"step-{step:09d}-*.pt")
    return path


def test_a_full_disk_at_every_stage_of_a_save(server, begun, tmp_path):
    kind, source, expected = begun
    for stage in range(0, 100, 2):
        folder = tmp_path / str(stage)
        copied(source, folder)
        status = server.run(Subject(str(folder), kind, steps=FEW, fault="full_disk_in_save", at=stage))
        if status == 0:
            break
        assert status == 1, said(folder)
        assert last_line(folder).startswith("papergan: ")
        assert "No space left on device" in last_line(folder)
        assert whole(folder) >= 2
        assert server.run(Subject(str(folder), kind, steps=FEW)) == 0
        assert result(folder) == expected
        assert not list(folder.glob("recipe/.step-*.part"))
    assert stage >= 6


def test_a_limit_that_the_kernel_enforces(server, begun, tmp_path):
    kind, source, expected = begun
    store = copied(source, tmp_path / "run")
    before = sorted((path.name, path.read_bytes()) for path in store.folder.glob("step-*"))
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW, fault="small_disk", at=3000)) == 1
    line = last_line(tmp_path / "run")
    assert "cannot be written (File too large; " in line
    assert "bytes needed, " in line
    assert str(store.folder) in line
    assert sorted((path.name, path.read_bytes()) for path in store.folder.glob("step-*")) == before
    assert not list(store.folder.glob(".step-*.part"))
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW)) == 0
    assert result(tmp_path / "run") == expected


def test_room_is_asked_for_before_anything_is_written(tmp_path):
    check_room(tmp_path / "a" / "b", 1, "a byte")
    with pytest.raises(StorageError, match=r"3 checkpoints may take \d+ bytes, \d+ are free; make room"):
        check_room(tmp_path / "a" / "b", 2**62, "3 checkpoints")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe").write_text("a file where the folder should be")
    assert server.run(Subject(str(tmp_path / "run"), "two_player")) == 1
    assert str(tmp_path / "run" / "recipe") in last_line(tmp_path / "run")
    assert "cannot be written" in last_line(tmp_path / "run")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that any user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_folder(server, begun, open_to_all):
    kind, source, expected = begun
    store = copied(source, open_to_all / "run")
    for folder in (store.folder, store.folder.parent):
        folder.chmod(0o555)
    try:
        assert server.run(Subject(str(open_to_all / "run"), kind, steps=FEW, fault="nobody")) == 1
        assert "cannot be written (Permission denied" in last_line(open_to_all / "run")
        assert str(store.folder) in last_line(open_to_all / "run")
    finally:
        for folder in (store.folder, store.folder.parent):
            folder.chmod(0o755)
    assert server.run(Subject(str(open_to_all / "run"), kind, steps=FEW)) == 0
    assert result(open_to_all / "run") == expected


def test_a_folder_that_vanishes_is_made_again(server, begun, tmp_path):
    kind, source, expected = begun
    copied(source, tmp_path / "run")
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW, fault="vanish", at=10)) == 0
    assert result(tmp_path / "run") == expected
    assert whole(tmp_path / "run") == 2


@pytest.mark.parametrize("damage", ["cut to 0", "cut to 1 %", "cut to 50 %", "cut to 99.9 %", "flip", "swap"])
def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning_and_nothing_is_lost(server, begun, tmp_path, damage):
    kind, source, expected = begun
    store = copied(source, tmp_path / "run")
    _, newest = store.steps()
    harm(store, newest, damage)
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW)) == 0
    assert f"damaged checkpoint skipped: {store._manifest(newest)}" in said(tmp_path / "run")
    assert result(tmp_path / "run") == expected


def harm(store: CheckpointStore, step: int, damage: str) -> None:
    content = bytearray(data(store, step).read_bytes())
    if damage.startswith("cut"):
        content = content[: int(len(content) * float(damage.split()[2]) / 100)]
    elif damage == "flip":
        content[len(content) // 2] ^= 4
    else:
        content = bytearray(data(store, store.steps()[0]).read_bytes())
    data(store, step).write_bytes(content)


def test_all_damaged_ends_with_one_line_and_touches_nothing(server, begun, tmp_path):
    kind, source, _ = begun
    store = copied(source, tmp_path / "run")
    for step in store.steps():
        harm(store, step, "flip")
    before = {path.name: path.read_bytes() for path in store.folder.glob("step-*")}
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW)) == 1
    assert "none of 2 checkpoints is whole" in last_line(tmp_path / "run")
    assert {path.name: path.read_bytes() for path in store.folder.glob("step-*")} == before


def test_a_checkpoint_of_another_game_is_refused_by_name(server, begun, tmp_path):
    """Its digest and fingerprint are right, as after a change of code that the recipe does not know of."""
    _, source, _ = begun
    store = copied(source, tmp_path / "run")
    assert server.run(Subject(str(tmp_path / "run"), "with_controller", steps=FEW)) == 1
    line = last_line(tmp_path / "run")
    assert f"{store.folder}: step {store.steps()[-1]} is of another game or version: networks: " in line
    assert "is not part of this game" in line
    assert len(store.steps()) == 2


def test_a_checkpoint_of_another_recipe_is_not_taken(server, begun, tmp_path):
    kind, source, _ = begun
    store = copied(source, tmp_path / "run")
    for step in store.steps():
        manifest = store._manifest(step)
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"fingerprint": "another"}))
    assert server.run(Subject(str(tmp_path / "run"), kind, steps=FEW)) == 1
    assert "of recipe another, not recipe" in said(tmp_path / "run")


def test_the_second_of_two_runs_ends_at_once_and_says_who_is_there(server, tmp_path):
    child = server.start(Subject(str(tmp_path / "run"), "two_player", steps=400, step_seconds=0.05))
    while not list(tmp_path.glob("run/recipe/step-*.json")):
        time.sleep(0.01)
    with pytest.raises(PaperganError, match=f"held by process {child} on "):
        Subject(str(tmp_path / "run"), "two_player", steps=FEW).run()
    Subject(str(tmp_path / "elsewhere"), "two_player", steps=FEW).run()
    os.kill(child, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    reached = CheckpointStore(tmp_path / "run", "recipe").steps()[-1] + 3
    expected, _ = straight(server, "two_player", steps=reached)
    assert server.run(Subject(str(tmp_path / "run"), "two_player", steps=reached)) == 0
    assert result(tmp_path / "run") == expected


@pytest.mark.reliability  # quicker: hooks/test_preflight.py
def test_every_system_can_be_asked_how_large_a_checkpoint_is(tmp_path):
    for kind in [*kinds.TINY, *kinds.SYSTEMS]:
        subject = Subject(str(tmp_path / kind), kind, steps=2)
        training = subject.training()
        estimate = checkpoint_bytes(training.game)
        training.run()
        store = training.store
        real = data(store, store.steps()[-1]).stat().st_size
        assert 0.5 * real - 60_000 < estimate, kind
        assert estimate < 3 * real, kind
