"""Images, features, and what MLflow keeps: which may go, and above all which may not."""

from __future__ import annotations

import shutil

import pytest

from helpers.fake_workspace import (
    OTHER,
    RUN,
    E,
    held_elsewhere,
    paths,
)
from papergan.maintenance import removal
from papergan.maintenance.mlflow_artifacts import LOCKS, PICTURES
from papergan.maintenance.shared_files import DRAFTS, FEATURES, IMAGES


class TestShared:
    def test_images_and_features_without_a_pointer_go(self, work):
        for fill, experiment in ((10, E), (20, OTHER), (30, "gone")):
            work.images(fill, experiment)
            work.reference(fill, experiment)
        before = {*work.store.iterdir(), *work.cache.iterdir()}
        for folder in (work.data / "03_primary" / "gone", work.models / "gone"):
            shutil.rmtree(folder)
        made = work.plan()
        assert len(before) == 12
        assert len(paths(made, IMAGES)) == 2
        assert len(paths(made, FEATURES)) == 2
        removal.remove(made.removals)
        work.check_that_all_loads()

    def test_a_reference_that_is_built_anew_lets_go_of_what_it_had(self, work):
        work.reference(10)
        first = set(work.cache.iterdir())
        work.reference(20, held_out=False)
        assert paths(work.plan(), FEATURES) == first
        work.check_that_all_loads()

    def test_young_ones_stay(self, work):
        work.images(10)
        work.reference(10)
        (work.data / "03_primary" / E / "images.json").unlink()
        (work.models / E / "reference.json").unlink()
        assert paths(work.plan(later=False)) == set()
        assert len(paths(work.plan())) == 4

    def test_classifiers_and_foreign_files_stay(self, work):
        for name in ("domain_classifier-0123456789abcdef", "real_rows-0123456789abcdef", "features-x", "mine"):
            work.file(work.cache / f"{name}.safetensors")
        work.file(work.store / "mine.safetensors")
        work.file(work.store / "0123456789abcdef.npy")
        assert paths(work.plan()) == set()

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"train": {"digest": "0"}}', b"\xff\xfe"])
    def test_a_pointer_that_cannot_be_read_protects_all(self, work, content):
        for fill, experiment in ((10, E), (20, OTHER)):
            work.images(fill, experiment)
            work.reference(fill, experiment)
        (work.data / "03_primary" / OTHER / "images.json").unlink()
        (work.data / "03_primary" / E / "images.json").write_bytes(content)
        (work.models / OTHER / "reference.json").unlink()
        (work.models / E / "reference.json").write_bytes(content)
        made = work.plan()
        assert paths(made) == set()
        assert [note.split(":")[0] for note in made.notes] == ["03_primary", "06_models"]
        assert all("left alone" in note and "\n" not in note for note in made.notes)

    def test_a_pointer_behind_a_link_counts(self, work, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        work.images(10)
        work.reference(10)
        for layer in ("03_primary", "06_models"):
            shutil.move(work.data / layer / E, elsewhere / layer)
            (work.data / layer / E).symlink_to(elsewhere / layer)
        assert paths(work.plan()) == set()


class TestMlflow:
    def test_pictures_are_thinned_evenly_and_the_ends_stay(self, work):
        folder = work.pictures(10)
        for name in ("samples.png", "step-last.png"):
            work.file(folder / name)
        work.file(folder.parent / "curves" / "step-000000000.png")
        made = work.plan()
        removal.remove(made.removals)
        left = sorted(path.name for path in folder.iterdir())
        grids = [f"step-{step:09d}.png" for step in (0, 300, 600, 900)]
        assert left == ["samples.png", *grids, "step-last.png"]
        assert (folder.parent / "curves" / "step-000000000.png").exists()
        assert work.plan().removals == ()

    @pytest.mark.parametrize("count", [2, 3, 5, 49, 50, 51, 99, 100, 101, 1000])
    def test_as_many_stay_as_are_asked_for(self, count):
        from papergan.maintenance.mlflow_artifacts import _evenly

        for most in (2, 3, 50):
            kept = _evenly(count, most)
            assert len(kept) == min(count, most)
            assert {0, count - 1} <= kept <= set(range(count))

    def test_a_run_that_is_alive_keeps_its_pictures_and_its_lock(self, work):
        work.pictures(10)
        work.pictures(10, run="b" * 32)
        for run in (RUN, "b" * 32):
            work.file(work.mlruns / "running" / f"{run}.lock", b"")
        with held_elsewhere(work.mlruns / "running" / f"{RUN}.lock"):
            made = work.plan()
        assert {path.parents[2].name for path in paths(made, PICTURES)} == {"b" * 32}
        assert {path.stem for path in paths(made, LOCKS)} == {"b" * 32}

    def test_young_locks_and_foreign_files_stay(self, work):
        work.file(work.mlruns / "running" / f"{RUN}.lock")
        work.file(work.mlruns / "running" / "notes.lock")
        work.file(work.mlruns / "mlflow.db")
        work.pictures(10, run="mine")
        assert paths(work.plan(later=False)) == set()
        assert {path.name for path in paths(work.plan())} == {f"{RUN}.lock"}


def test_the_state_of_a_classifier_in_training_goes_only_once_it_is_finished(work):
    finished, unfinished = (work.cache / f"domain_classifier-{letter * 16}.safetensors" for letter in "ab")
    drafts = [work.file(path.with_name(f"unfinished-{path.name}")) for path in (finished, unfinished)]
    work.file(finished)
    assert not paths(work.plan(later=False), DRAFTS)
    made = work.plan()
    assert paths(made, DRAFTS) == {drafts[0]}
    assert not {finished, drafts[1]} & paths(made)
