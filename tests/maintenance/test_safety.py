"""Nothing goes that is needed, in use, changed or elsewhere, whatever happens in between."""

from __future__ import annotations

import os
import shutil

import pytest

from helpers.fake_workspace import (
    ALL_GO,
    OTHER,
    RUN,
    E,
    FakeWorkspace,
    full_workspace,
    held_elsewhere,
    paths,
    refuse,
    version,
)  # fmt: skip
from papergan.errors import PaperganError
from papergan.maintenance import rules, scan
from papergan.maintenance.scan import RUNNING, TRAINED, busy, remove
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore


def tracking(work: FakeWorkspace) -> MlflowConfiguration:
    return MlflowConfiguration(f"sqlite:///{work.mlruns}/mlflow.db", str(work.mlruns / "artifacts"))


class TestBusy:
    def test_an_experiment_that_another_process_trains_is_left_alone(self, tmp_path):
        work = full_workspace(tmp_path)
        for number in range(1, 5):
            work.weights("frames", number, number, OTHER)
        with held_elsewhere(work.models / E / "checkpoints" / ("9" * 12) / "lock"):
            found = busy(work.data, tracking(work))
            made = work.planned(ALL_GO, found)
        assert found == {E: TRAINED}
        assert f"{E} is being trained: left alone" in made.notes
        assert not [path for path in paths(made) if E in path.parts]
        assert {one.reason for one in made.removals} == {
            rules.OLDER, rules.IMAGES, rules.FEATURES, rules.PICTURES, rules.LOCKS,
        }  # fmt: skip

    def test_a_run_that_has_not_begun_to_train_is_seen_by_its_own_lock(self, tmp_path):
        work = full_workspace(tmp_path)
        for lock in (work.models / E / "run.lock", work.models / OTHER / "checkpoints" / ("9" * 12) / "run.lock"):
            with held_elsewhere(lock):
                assert busy(work.data, tracking(work)) == {lock.relative_to(work.models).parts[0]: RUNNING}
        assert busy(work.data, tracking(work)) == {}

    def test_while_an_experiment_is_run_what_all_share_is_left_alone(self, tmp_path):
        made = full_workspace(tmp_path).planned(ALL_GO, {OTHER: RUNNING})
        assert not paths(made, rules.IMAGES) | paths(made, rules.FEATURES)
        assert any("share are left alone" in note for note in made.notes)
        assert paths(made, rules.OLDER)

    def test_the_lock_of_a_run_protects_what_all_share(self, tmp_path):
        """A run takes this lock before it writes the pointers to its images and features."""
        work = full_workspace(tmp_path)
        with held_elsewhere(work.models / E / "run.lock"), held_elsewhere(work.models / E / "checkpoints/x/lock"):
            made = work.planned(ALL_GO, busy(work.data, tracking(work)))
        assert not paths(made, rules.IMAGES) | paths(made, rules.FEATURES)
        assert paths(work.planned(ALL_GO, busy(work.data, tracking(work))), rules.FEATURES)

    def test_a_file_among_folders_is_no_experiment(self, tmp_path):
        work = full_workspace(tmp_path)
        for place in (work.models / ".DS_Store", work.models / E / "checkpoints/.DS_Store"):
            place.write_text("")
        assert busy(work.data, tracking(work)) == {}

    def test_mlflow_says_which_experiment_is_run(self, work):
        store = MlflowStore(tracking(work))
        run = store.begin("tahvili2025", OTHER, {})
        assert busy(work.data, tracking(work)) == {OTHER: RUNNING}
        store.run_locks.release(run.run_id)
        assert busy(work.data, tracking(work)) == {}

    def test_where_it_does_not_nothing_is_cleaned(self, work):
        with held_elsewhere(work.mlruns / "running" / f"{RUN}.lock"), pytest.raises(PaperganError) as error:
            busy(work.data, tracking(work))
        assert f"MLflow run {RUN} is alive" in str(error.value)
        assert "\n" not in str(error.value)
        assert not (work.mlruns / "mlflow.db").exists()

    def test_removal_holds_the_lock_of_training(self, work):
        store = work.checkpoints(4)
        stray = work.file(store.folder / f"step-000000009-{'c' * 12}.pt")
        made = work.plan()
        with held_elsewhere(store.folder / "lock"):
            done, errors = remove(made.removals)
        assert done == []
        assert errors == [f"{store.folder / 'lock'}: held by another process, which trains this recipe; left alone"]
        assert stray.exists()

    def test_nothing_is_created_by_looking(self, work):
        assert busy(work.data, tracking(work)) == {}
        assert work.plan().removals == ()
        assert list(work.folder.iterdir()) == []


class TestLinks:
    def test_nothing_behind_a_link_is_removed(self, work, tmp_path_factory):
        outside = full_workspace(tmp_path_factory.mktemp("outside"))
        before = outside.listing()
        for place, there in ((work.data, outside.data), (work.mlruns, outside.mlruns)):
            place.mkdir()
            for inner in there.iterdir():
                (place / inner.name).symlink_to(inner)
        made = work.planned(ALL_GO)
        assert (made.removals, made.errors) == ((), ())
        assert outside.listing() == before

    def test_links_among_versions_pictures_and_leftovers_stay(self, work, tmp_path_factory):
        outside = work.file(tmp_path_factory.mktemp("outside") / "file")
        for number in range(1, 5):
            work.weights("frames", number, number)
        output = work.models / E / "frames.safetensors"
        shutil.rmtree(output / version(1))
        (output / version(1)).symlink_to(output / version(3))
        (output / version(2) / "frames.safetensors").unlink()
        (output / version(2) / "frames.safetensors").symlink_to(outside)
        (work.data / ".a.part").symlink_to(outside)
        (work.models / OTHER).symlink_to(work.models / E)
        made = work.planned({"versions": 1})
        assert paths(made) == {output / version(3) / output.name, output / version(3)}
        assert made.errors == ()

    def test_data_may_itself_be_a_link(self, work, tmp_path_factory):
        outside = full_workspace(tmp_path_factory.mktemp("outside"))
        expected = paths(outside.planned(ALL_GO))
        work.data.symlink_to(outside.data)
        work.mlruns.symlink_to(outside.mlruns)
        assert paths(work.planned(ALL_GO)) == expected
        assert len(expected) > 20

    def test_a_folder_that_becomes_a_link_is_not_entered(self, work, tmp_path_factory):
        for number in range(1, 4):
            work.weights("frames", number, number)
        made = work.plan()
        outside = tmp_path_factory.mktemp("outside") / "moved"
        shutil.move(work.models / E, outside)
        (work.models / E).symlink_to(outside)
        done, errors = remove(made.removals)
        assert done == []
        assert "reached through a link" in errors[0]
        assert (outside / "frames.safetensors" / version(1) / "frames.safetensors").exists()

    def test_a_pointer_behind_a_link_counts(self, work, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        work.images(10)
        work.reference(10)
        for layer in ("03_primary", "06_models"):
            shutil.move(work.data / layer / E, elsewhere / layer)
            (work.data / layer / E).symlink_to(elsewhere / layer)
        assert paths(work.plan()) == set()
        (work.data / "03_primary" / E).unlink()
        (work.data / "03_primary" / E).mkdir()
        (work.data / "03_primary" / E / "images.json").symlink_to("/nowhere/images.json")
        assert paths(work.plan()) == set()


def test_everything_that_is_needed_still_loads(tmp_path):
    work = full_workspace(tmp_path)
    cards = work.check_that_all_loads()
    made = work.planned(ALL_GO)
    before = work.listing()
    done, errors = remove(made.removals)
    assert (len(done), errors) == (len(made.removals), [])
    assert {one.reason for one in done} == {
        rules.LEFT, rules.OLDER, rules.EMPTY, rules.STRAY, rules.FINISHED, rules.IMAGES, rules.FEATURES,
        rules.PICTURES, rules.LOCKS,
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
            remove(work.planned(ALL_GO).removals)
        assert work.check_that_all_loads() == cards
        remove(work.planned(ALL_GO).removals)
        assert set(work.listing()) == set(full.listing()) - {
            str(path.relative_to(full.folder.resolve())) for path in paths(complete)
        }
        shutil.rmtree(work.folder)


def test_what_has_changed_since_is_left(work):
    path = work.file(work.data / ".a.part")
    made = work.plan()
    path.write_bytes(b"longer")
    assert remove(made.removals) == ([], [f"{path}: not removed (it has changed since it was found)"])


def test_a_manifest_stays_where_its_data_have_changed(work):
    store = work.checkpoints(12)
    work.run(1, step=12)
    made = work.planned(ALL_GO)
    (data,) = store.folder.glob("*.pt")
    os.utime(data)
    assert remove(made.removals)[0] == []
    assert (store.folder / "step-000000012.json").exists()


def test_a_folder_that_may_not_be_looked_at_is_one_line(work, monkeypatch):
    path = work.file(work.data / ".a.part")
    work.file(work.data / "closed" / ".b.part")
    refuse(monkeypatch, os, "scandir", work.data / "closed")
    made = work.plan()
    assert paths(made) == {path}
    assert made.errors == (f"{work.data / 'closed'}: Permission denied; left alone",)


def kill_after(patch, moment: int) -> None:
    """The process ends before it removes one piece more."""
    left, remove_piece = [moment], scan._remove

    def until_then(piece):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        remove_piece(piece)

    patch.setattr(scan, "_remove", until_then)
