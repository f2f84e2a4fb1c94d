"""What may go altogether: leftovers, what is in use by others, links."""

from __future__ import annotations

import shutil

import pytest

from helpers.fake_workspace import (
    ALL_GO,
    OTHER,
    RECIPE,
    RUN,
    E,
    FakeWorkspace,
    full_workspace,
    held_elsewhere,
    paths,
    version,
)
from papergan.errors import PaperganError, RecipeError
from papergan.maintenance import removal
from papergan.maintenance.locked_experiments import RUNNING, TRAINED, busy
from papergan.maintenance.mlflow_artifacts import LOCKS, PICTURES
from papergan.maintenance.plan import LEFT
from papergan.maintenance.retention import RetentionRecipe
from papergan.maintenance.shared_files import FEATURES, IMAGES
from papergan.maintenance.versions import OLDER
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore


def tracking(work: FakeWorkspace) -> MlflowConfiguration:
    return MlflowConfiguration(f"sqlite:///{work.mlruns}/mlflow.db", str(work.mlruns / "artifacts"))


class TestLeftAside:
    def test_old_ones_go_wherever_they_are(self, work):
        left = {
            work.file(work.data / "01_raw" / "cifar10" / ".train.parquet.0123456789abcdef.part"),
            work.file(work.models / E / "checkpoints" / RECIPE / ".step-000000004.pt.0123456789abcdef.part"),
            work.file(work.mlruns / "artifacts" / ".x.part"),
        }
        assert paths(work.plan(later=False)) == set()
        assert paths(work.plan()) == paths(work.plan(), LEFT) == left

    @pytest.mark.parametrize("name", ["train.parquet", "a.part", ".part", ".a.party", ".a.parts"])
    def test_other_files_stay(self, work, name):
        work.file(work.data / "01_raw" / name)
        assert paths(work.plan()) == set()


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
        assert {one.reason for one in made.removals} == {OLDER, IMAGES, FEATURES, PICTURES, LOCKS}

    def test_while_an_experiment_is_run_what_all_share_is_left_alone(self, tmp_path):
        made = full_workspace(tmp_path).planned(ALL_GO, {OTHER: RUNNING})
        assert not paths(made, IMAGES) | paths(made, FEATURES)
        assert any("share are left alone" in note for note in made.notes)
        assert paths(made, OLDER)

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

    def test_nothing_is_created_by_looking(self, work):
        assert busy(work.data, tracking(work)) == {}
        assert work.plan().removals == ()
        assert list(work.folder.iterdir()) == []


class TestLinks:
    def test_nothing_behind_a_link_is_removed(self, work, tmp_path_factory):
        outside = full_workspace(tmp_path_factory.mktemp("outside"))
        before = outside.listing()
        work.data.mkdir()
        for inner in outside.data.iterdir():
            (work.data / inner.name).symlink_to(inner)
        work.mlruns.mkdir()
        for inner in outside.mlruns.iterdir():
            (work.mlruns / inner.name).symlink_to(inner)
        made = work.planned(ALL_GO)
        assert (made.removals, made.faults) == ((), ())
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
        assert made.faults == ()

    def test_data_may_itself_be_a_link(self, work, tmp_path_factory):
        outside = full_workspace(tmp_path_factory.mktemp("outside"))
        expected = {str(path.relative_to(outside.folder.resolve())) for path in paths(outside.planned(ALL_GO))}
        work.data.symlink_to(outside.data)
        work.mlruns.symlink_to(outside.mlruns)
        made = work.planned(ALL_GO)
        assert {str(path.relative_to(outside.folder.resolve())) for path in paths(made)} == expected
        assert len(expected) > 20

    def test_a_folder_that_becomes_a_link_is_not_entered(self, work, tmp_path_factory):
        for number in range(1, 4):
            work.weights("frames", number, number)
        made = work.plan()
        outside = tmp_path_factory.mktemp("outside") / "moved"
        shutil.move(work.models / E, outside)
        (work.models / E).symlink_to(outside)
        done, faults = removal.remove(made.removals)
        assert done == []
        assert "reached through a link" in faults[0]
        assert (outside / "frames.safetensors" / version(1) / "frames.safetensors").exists()


def test_only_what_an_experiment_owns_goes_where_one_is_named(tmp_path):
    work = full_workspace(tmp_path)
    for number in (1, 2, 3):
        work.weights("frames", number, number, OTHER)
    gone = paths(work.planned(ALL_GO, experiment=E))
    assert gone
    assert all(E in path.parts for path in gone)
    assert {path.name for path in paths(work.planned(ALL_GO, experiment=OTHER))} == {
        version(1), version(2), "frames.safetensors",
    }  # fmt: skip


def test_a_misspelt_retention_is_refused_with_close_matches():
    with pytest.raises(RecipeError, match="unknown key 'version'; did you mean 'versions'"):
        RetentionRecipe.parse("retention", {"version": 3})
    for wrong in ({"versions": 0}, {"pictures": 1}, {"versions": True}, {"checkpoints": "none"}):
        with pytest.raises(RecipeError, match=f"retention.{next(iter(wrong))}"):
            RetentionRecipe.parse("retention", wrong)
