"""Removal: exactly what was planned, whatever happens in between."""

from __future__ import annotations

import os
import shutil

import pytest

from helpers.fake_workspace import (
    ALL_GO,
    OTHER,
    E,
    FakeWorkspace,
    full_workspace,
    paths,
    refuse,
)
from papergan.maintenance import removal
from papergan.maintenance.checkpoints import FINISHED, USELESS
from papergan.maintenance.locked_experiments import TRAINED
from papergan.maintenance.mlflow_artifacts import LOCKS, PICTURES
from papergan.maintenance.plan import LEFT, Workspace, confirmed
from papergan.maintenance.shared_files import FEATURES, IMAGES
from papergan.maintenance.versions import EMPTY, OLDER


def test_everything_that_is_needed_still_loads(tmp_path):
    work = full_workspace(tmp_path)
    cards = work.check_that_all_loads()
    made = work.planned(ALL_GO)
    before = work.listing()
    done, faults = removal.remove(made.removals)
    assert (len(done), faults) == (len(made.removals), [])
    assert {one.reason for one in done} == {
        LEFT, OLDER, EMPTY, USELESS, FINISHED, IMAGES, FEATURES, PICTURES, LOCKS,
    }  # fmt: skip
    assert set(before) - set(work.listing()) == {str(path.relative_to(work.folder.resolve())) for path in paths(made)}
    assert work.check_that_all_loads() == cards
    assert {card.seed for card in cards.values()} == {0, 1, 2}
    assert work.planned(ALL_GO).removals == ()


def test_a_kill_at_any_moment_leaves_what_is_whole_or_goes_the_next_time(tmp_path, monkeypatch):
    full = full_workspace(tmp_path / "full")
    complete = full.planned(ALL_GO)
    cards = full.check_that_all_loads()
    moments = sum(len(one.pieces) for one in complete.removals)
    for moment in range(1, moments, 5):
        work = FakeWorkspace(tmp_path / "killed")
        shutil.copytree(full.folder, work.folder)
        with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
            kill_after(patch, moment)
            removal.remove(work.planned(ALL_GO).removals)
        assert work.check_that_all_loads() == cards
        removal.remove(work.planned(ALL_GO).removals)
        assert set(work.listing()) == set(full.listing()) - {
            str(path.relative_to(full.folder.resolve())) for path in paths(complete)
        }
        shutil.rmtree(work.folder)


def test_what_has_changed_since_is_left(work):
    path = work.file(work.data / ".a.part")
    made = work.plan()
    path.write_bytes(b"longer")
    done, faults = removal.remove(made.removals)
    assert done == []
    assert faults == [f"{path}: not removed (it has changed since it was found)"]


def test_a_manifest_stays_where_its_data_have_changed(work):
    store = work.checkpoints(12)
    work.run(1, step=12)
    made = work.planned(ALL_GO)
    (data,) = store.folder.glob("*.pt")
    os.utime(data)
    removal.remove(made.removals)
    assert (store.folder / "step-000000012.json").exists()


def test_a_pointer_written_since_saves_what_it_leads_to(work):
    work.reference(10)
    pointer = work.models / E / "reference.json"
    content = pointer.read_bytes()
    pointer.unlink()
    work.make_old()
    place = Workspace.at(work.folder)
    made = work.plan()
    assert confirmed(made, place, {}).removals == made.removals
    assert len(made.removals) == 2
    pointer.write_bytes(content)
    again = confirmed(made, place, {})
    assert again.removals == ()
    assert all("may be needed now" in fault for fault in again.faults)


def test_an_experiment_that_has_begun_since_is_left_alone(work):
    for number in (1, 2, 3):
        work.weights("frames", number, number)
        work.weights("frames", number, number, OTHER)
    again = confirmed(work.plan(), Workspace.at(work.folder), {E: TRAINED})
    assert {one.experiment for one in again.removals} == {OTHER}
    assert again.faults == (f"{E} is being trained now: left alone",)


def test_a_folder_that_may_not_be_looked_at_is_one_line(work, monkeypatch):
    path = work.file(work.data / ".a.part")
    work.file(work.data / "closed" / ".b.part")
    refuse(monkeypatch, os, "scandir", work.data / "closed")
    made = work.plan()
    assert paths(made) == {path}
    assert made.faults == (f"{work.data / 'closed'}: Permission denied; left alone",)


def kill_after(patch, moment: int) -> None:
    """The process ends before it removes one piece more."""
    left, remove = [moment], removal._remove

    def until_then(piece):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        remove(piece)

    patch.setattr(removal, "_remove", until_then)
