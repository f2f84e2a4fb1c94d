"""What may go by each rule, and above all what may not."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import yaml

from helpers.fake_workspace import ALL_GO, OTHER, RECIPE, RUN, E, held_elsewhere, paths, refuse, version, versions_of
from helpers.project_run import PROJECT
from papergan.config.tools import RetentionRecipe
from papergan.errors import RecipeError
from papergan.inference import model_folder
from papergan.maintenance import rules
from papergan.maintenance.scan import MODEL_FILES, VERSION, remove


class TestVersions:
    def test_the_newest_of_every_output_stay(self, work):
        for number in range(1, 6):
            work.weights("frames", number, number)
        work.weights("snapshots", 1, 1)
        gone = paths(work.plan(), rules.OLDER)
        assert versions_of(gone, "frames.safetensors") == {version(1), version(2), version(3)}
        assert versions_of(gone, "snapshots.safetensors") == set()

    def test_a_version_with_the_newest_card_of_a_run_stays_with_all_its_outputs(self, work):
        for number, seed in enumerate((0, 1, 1, 2, 2, 2, 2), 1):
            work.run(number, seed=seed)
        gone = paths(work.plan(), rules.OLDER)
        for name in ("scores.json", "generator.safetensors", "trained.safetensors", "samples.png"):
            assert versions_of(gone, name) == {version(2), version(4), version(5)}, name

    def test_what_the_comparison_shows_in_place_of_a_damaged_newest_stays_and_so_does_the_newest(self, work):
        for number, seed in enumerate((0, 0, 0, 1, 1, 1), 1):
            work.run(number, seed=seed)
        damaged = work.models / E / "generator.safetensors" / version(3) / "generator.safetensors"
        shutil.copy(damaged.parents[1] / version(1) / damaged.name, damaged)
        gone = versions_of(paths(work.planned({"versions": 1}), rules.OLDER), "scores.json")
        assert gone == {version(1), version(4), version(5)}

    def test_a_version_whose_card_cannot_be_read_stays(self, work):
        for number in range(1, 6):
            work.run(number)
        card = work.reporting / E / "scores.json" / version(1) / "scores.json"
        card.write_bytes(card.read_bytes().replace(b'"seed": 0', b'"seed": 1'))
        gone = paths(work.plan(), rules.OLDER)
        assert versions_of(gone, "scores.json") == versions_of(gone, "trained.safetensors") == {version(2), version(3)}

    def test_weights_that_were_scored_in_a_later_session_stay(self, work):
        for number in (1, 2, 3):
            work.weights("trained", number, number, recipe=RECIPE if number == 1 else "0" * 12, step="12")
        for number in (4, 5, 6):
            work.weights("generator", number, number)
        work.card(7, value=4)
        work.card(8, value=6, seed=1, recipe_fingerprint="0" * 12)
        gone = paths(work.planned({"versions": 1}), rules.OLDER)
        assert versions_of(gone, "trained.safetensors") == {version(2)}
        assert versions_of(gone, "generator.safetensors") == {version(5)}

    def test_scores_of_foreign_images_are_of_no_run_and_only_counted(self, work):
        for number in range(1, 5):
            work.file(work.reporting / "evaluate_images" / "scores.json" / version(number) / "scores.json")
        assert versions_of(paths(work.plan(), rules.OLDER), "scores.json") == {version(1), version(2)}

    def test_what_kedro_did_not_put_there_stays(self, work):
        for number in range(1, 5):
            work.weights("frames", number, number)
        output = work.models / E / "frames.safetensors"
        work.file(output / version(1) / "notes.txt")
        for name in ("before-the-holidays", "2026-01-01"):
            work.file(output / name / "frames.safetensors")
        work.file(work.models / E / "mine" / version(1) / "frames.safetensors")
        work.file(work.reporting / E / "thesis.pdf")
        assert paths(work.plan()) == {output / version(2) / output.name, output / version(2)}

    def test_empty_folders_go_once_they_are_old(self, work):
        work.weights("frames", 1, 1)
        empty = work.models / E / "frames.safetensors" / version(2)
        empty.mkdir()
        assert paths(work.plan(later=False)) == set()
        assert paths(work.plan()) == paths(work.plan(), rules.EMPTY) == {empty}

    def test_cards_that_may_not_be_looked_at_protect_everything_of_their_experiment(self, work, monkeypatch):
        for number in range(1, 5):
            work.weights("frames", number, number)
            work.weights("frames", number, number, OTHER)
        refuse(monkeypatch, Path, "iterdir", work.reporting / E / "scores.json")
        made = work.plan()
        assert {path.parents[2].name for path in paths(made) if path.name == "frames.safetensors"} == {OTHER}
        assert made.errors == (f"{work.reporting / E}: Permission denied; no version is removed",)

    def test_every_versioned_output_of_the_catalog_is_known_by_its_shape(self, work):
        entries = yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())
        versioned = [entry["filepath"] for entry in entries.values() if entry.get("versioned")]
        assert len(versioned) > 10
        for filepath in versioned:
            path = Path(filepath.replace("${workspace:}", str(work.folder)).replace("{experiment}", OTHER))
            for number in (1, 2, 3):
                work.file(path / version(number) / path.name)
            gone = paths(work.plan(), rules.OLDER)
            assert path / version(1) / path.name in gone or path.name == "scores.json"
        assert work.cache == Path(entries["feature_cache"]["filepath"].replace("${workspace:}", str(work.folder)))
        assert entries["{experiment}.images"]["store"] == "${workspace:}/data/03_primary/store"

    def test_versions_are_named_as_kedro_does(self):
        from kedro.io.core import generate_timestamp

        assert VERSION.fullmatch(generate_timestamp())


class TestCheckpoints:
    def test_those_of_unfinished_runs_stay(self, work):
        work.checkpoints(4, 8)
        work.run(1, step=12)
        work.checkpoints(4, 8, recipe="0" * 12)
        assert paths(work.planned(ALL_GO)) == set()

    def test_those_of_finished_runs_go_if_asked_for_though_another_was_trained_since(self, work):
        work.checkpoints(4, 12)
        work.run(1, step=12)
        work.run(2, step=20, recipe="0" * 12, seed=1)
        assert paths(work.plan()) == set()
        (one,) = work.planned(ALL_GO).removals
        names = [piece.path.name for piece in one.pieces]
        assert [name[5:14] + name[-5:] for name in names] == [
            "000000004.json", "000000004" + names[1][-5:], "000000012.json", "000000012" + names[3][-5:],
        ]  # manifests before their data, the newest last  # fmt: skip
        assert one.reason == rules.FINISHED

    def test_damaged_results_are_no_reason_to_remove_checkpoints(self, work):
        work.checkpoints(12)
        work.run(1, step=12)
        trained = work.models / E / "trained.safetensors" / version(1) / "trained.safetensors"
        content = bytearray(trained.read_bytes())
        content[-1] ^= 1
        trained.write_bytes(content)
        assert paths(work.planned(ALL_GO), rules.FINISHED) == set()

    def test_results_that_are_to_be_removed_prove_nothing(self, work):
        work.checkpoints(12)
        for number, recipe in enumerate((RECIPE, "0" * 12), 1):
            work.weights("trained", number, number, recipe=recipe, step="12")
        made = work.planned(ALL_GO)
        assert versions_of(paths(made, rules.OLDER), "trained.safetensors") == {version(1)}
        assert paths(made, rules.FINISHED) == set()

    def test_data_without_a_manifest_go_and_foreign_files_stay(self, work):
        store = work.checkpoints(4, 8)
        stray = {work.file(store.folder / f"step-00000000{step}-{'c' * 12}.pt") for step in (8, 9)}
        work.file(store.folder / "best.pt")
        work.file(work.models / E / "checkpoints" / "backup" / f"step-000000009-{'c' * 12}.pt")
        assert paths(work.plan()) == paths(work.plan(), rules.STRAY) == stray
        work.run(1, step=8)
        made = work.planned(ALL_GO)
        assert len(paths(made)) == sum(len(one.pieces) for one in made.removals) == 6  # each once


class TestShared:
    def test_images_and_features_without_a_pointer_go(self, work):
        for fill, experiment in ((10, E), (20, OTHER), (30, "gone")):
            work.images(fill, experiment)
            work.reference(fill, experiment)
        assert paths(work.plan()) == set()
        (work.data / "03_primary" / "gone" / "images.json").unlink()
        shutil.rmtree(work.models / "gone")
        assert paths(work.plan(later=False)) == set()
        made = work.plan()
        assert (len(paths(made, rules.IMAGES)), len(paths(made, rules.FEATURES))) == (2, 2)
        remove(made.removals)
        work.check_that_all_loads()

    def test_a_reference_that_is_built_anew_lets_go_of_what_it_had(self, work):
        work.reference(10)
        first = set(work.cache.iterdir())
        work.reference(20, held_out=False)
        assert paths(work.plan(), rules.FEATURES) == first
        work.check_that_all_loads()

    def test_classifiers_and_foreign_files_stay(self, work):
        for name in ("domain_classifier-0123456789abcdef", "real_rows-0123456789abcdef", "features-x", "mine"):
            work.file(work.cache / f"{name}.safetensors")
        work.file(work.store / "mine.safetensors")
        work.file(work.store / "0123456789abcdef.npy")
        assert paths(work.plan()) == set()

    def test_the_state_of_a_classifier_in_training_goes_only_once_it_is_finished(self, work):
        finished, unfinished = (work.cache / f"domain_classifier-{letter * 16}.safetensors" for letter in "ab")
        drafts = [work.file(path.with_name(f"unfinished-{path.name}")) for path in (finished, unfinished)]
        work.file(finished)
        assert not paths(work.plan(later=False), rules.DRAFTS)
        made = work.plan()
        assert paths(made, rules.DRAFTS) == {drafts[0]}
        assert not {finished, drafts[1]} & paths(made)

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


class TestMlflow:
    def test_pictures_are_thinned_evenly_and_the_ends_stay(self, work):
        folder = work.pictures(10)
        for name in ("samples.png", "step-last.png"):
            work.file(folder / name)
        work.file(folder.parent / "curves" / "step-000000000.png")
        remove(work.plan().removals)
        left = sorted(path.name for path in folder.iterdir())
        grids = [f"step-{step:09d}.png" for step in (0, 300, 600, 900)]
        assert left == ["samples.png", *grids, "step-last.png"]
        assert (folder.parent / "curves" / "step-000000000.png").exists()
        assert work.plan().removals == ()

    @pytest.mark.parametrize("count", [2, 3, 5, 49, 50, 51, 99, 100, 101, 1000])
    def test_as_many_stay_as_are_asked_for(self, count):
        for most in (2, 3, 50):
            kept = rules._evenly(count, most)
            assert len(kept) == min(count, most)
            assert {0, count - 1} <= kept <= set(range(count))

    def test_a_run_that_is_alive_keeps_its_pictures_and_its_lock(self, work):
        for run in (RUN, "b" * 32):
            work.pictures(10, run=run)
            work.file(work.mlruns / "running" / f"{run}.lock", b"")
        with held_elsewhere(work.mlruns / "running" / f"{RUN}.lock"):
            made = work.plan()
        assert {path.parents[2].name for path in paths(made, rules.PICTURES)} == {"b" * 32}
        assert {path.stem for path in paths(made, rules.LOCKS)} == {"b" * 32}

    def test_young_locks_and_foreign_files_stay(self, work):
        work.file(work.mlruns / "running" / f"{RUN}.lock")
        work.file(work.mlruns / "running" / "notes.lock")
        work.file(work.mlruns / "mlflow.db")
        work.pictures(10, run="mine")
        assert paths(work.plan(later=False)) == set()
        assert {path.name for path in paths(work.plan())} == {f"{RUN}.lock"}


def test_old_temporary_files_go_wherever_they_are(work):
    left = {
        work.file(work.data / "01_raw" / "cifar10" / ".train.parquet.0123456789abcdef.part"),
        work.file(work.models / E / "checkpoints" / RECIPE / ".step-000000004.pt.0123456789abcdef.part"),
        work.file(work.mlruns / "artifacts" / ".x.part"),
    }
    for name in ("train.parquet", "a.part", ".part", ".a.party", ".a.parts"):
        work.file(work.data / "01_raw" / name)
    assert paths(work.plan(later=False)) == set()
    assert paths(work.plan()) == paths(work.plan(), rules.LEFT) == left
    assert paths(work.plan(experiment=E)) == {path for path in left if E in path.parts}
    assert paths(work.plan({E: "is being run"}, experiment=E)) == set()


def test_a_misspelt_retention_is_refused_with_close_matches():
    with pytest.raises(RecipeError, match="unknown key 'version'; did you mean 'versions'"):
        RetentionRecipe.parse("retention", {"version": 3})
    for wrong in ({"versions": 0}, {"pictures": 1}, {"versions": True}, {"checkpoints": "none"}):
        with pytest.raises(RecipeError, match=f"retention.{next(iter(wrong))}"):
            RetentionRecipe.parse("retention", wrong)


def test_files_of_a_model_folder_are_known():
    assert {model_folder.WEIGHTS, model_folder.CONFIG, model_folder.CARD, model_folder.PICTURE} == MODEL_FILES


def test_older_model_folders_go_and_those_with_something_else_in_them_stay(tmp_path):
    outputs = tmp_path / "data/06_models/mine/model"
    for month in range(1, 6):
        folder = outputs / f"2026-0{month}-01T00.00.00.000Z" / "model"
        folder.mkdir(parents=True)
        for name in ("model.safetensors", "config.json", "README.md"):
            (folder / name).write_text("x")
    (outputs / "2026-01-01T00.00.00.000Z/model/notes.txt").write_text("mine")
    found = rules.plan(tmp_path, RetentionRecipe(versions=2), {}, now=time.time() + 1e6)
    assert {piece.path.parts[-1] for removal in found.removals for piece in removal.pieces} == {
        "model.safetensors", "config.json", "README.md", "model",
        "2026-02-01T00.00.00.000Z", "2026-03-01T00.00.00.000Z",
    }  # fmt: skip
    remove(found.removals)
    assert sorted(folder.name[:7] for folder in outputs.iterdir()) == ["2026-01", "2026-04", "2026-05"]
    assert (outputs / "2026-01-01T00.00.00.000Z/model/notes.txt").read_text() == "mine"
