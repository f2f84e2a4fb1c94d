"""Versions of outputs: which may go, and above all which may not."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from helpers.fake_workspace import (
    OTHER,
    RECIPE,
    E,
    paths,
    refuse,
    version,
    versions_of,
)
from helpers.project_run import PROJECT
from papergan.maintenance.versions import EMPTY, OLDER, VERSION


def test_the_newest_of_every_output_stay(work):
    for number in range(1, 6):
        work.weights("frames", number, number)
    gone = paths(work.plan(), OLDER)
    assert versions_of(gone, "frames.safetensors") == {version(1), version(2), version(3)}


def test_each_output_counts_its_own_versions(work):
    for number in range(1, 5):
        work.weights("frames", number, number)
    work.weights("snapshots", 1, 1)
    assert versions_of(paths(work.plan(), OLDER), "snapshots.safetensors") == set()


def test_a_version_with_the_newest_card_of_a_run_stays_with_all_its_outputs(work):
    for number, seed in enumerate((0, 1, 1, 2, 2, 2, 2), 1):
        work.run(number, seed=seed)
    gone = paths(work.plan(), OLDER)
    for name in ("scores.json", "generator.safetensors", "trained.safetensors", "samples.png"):
        assert versions_of(gone, name) == {version(2), version(4), version(5)}, name


def test_what_the_comparison_shows_in_place_of_a_damaged_newest_stays_and_so_does_the_newest(work):
    for number in (1, 2, 3):
        work.run(number, seed=0)
    for number in (4, 5, 6):
        work.run(number, seed=1)
    damaged = work.models / E / "generator.safetensors" / version(3) / "generator.safetensors"
    shutil.copy(damaged.parents[1] / version(1) / damaged.name, damaged)
    gone = versions_of(paths(work.planned({"versions": 1}), OLDER), "scores.json")
    assert gone == {version(1), version(4), version(5)}


def test_a_version_whose_card_cannot_be_read_stays(work):
    for number in range(1, 6):
        work.run(number)
    card = work.reporting / E / "scores.json" / version(1) / "scores.json"
    card.write_bytes(card.read_bytes().replace(b'"seed": 0', b'"seed": 1'))
    gone = paths(work.plan(), OLDER)
    assert versions_of(gone, "scores.json") == versions_of(gone, "trained.safetensors") == {version(2), version(3)}


def test_weights_that_were_scored_in_a_later_session_stay(work):
    about = {"recipe": RECIPE, "step": "12"}
    for number in (1, 2, 3):
        work.weights("trained", number, number, **(about if number == 1 else {"recipe": "0" * 12, "step": "12"}))
    for number in (4, 5, 6):
        work.weights("generator", number, number)
    work.card(7, value=4)
    work.card(8, value=6, seed=1, recipe_fingerprint="0" * 12)
    gone = paths(work.planned({"versions": 1}), OLDER)
    assert versions_of(gone, "trained.safetensors") == {version(2)}
    assert versions_of(gone, "generator.safetensors") == {version(5)}


def test_scores_of_foreign_images_are_of_no_run_and_only_counted(work):
    for number in range(1, 5):
        work.file(work.reporting / "evaluate_images" / "scores.json" / version(number) / "scores.json")
    assert versions_of(paths(work.plan(), OLDER), "scores.json") == {version(1), version(2)}


def test_what_kedro_did_not_put_there_stays(work):
    for number in range(1, 5):
        work.weights("frames", number, number)
    output = work.models / E / "frames.safetensors"
    work.file(output / version(1) / "notes.txt")
    work.file(output / "before-the-holidays" / "frames.safetensors")
    work.file(output / "2026-01-01" / "frames.safetensors")
    work.file(work.models / E / "mine" / version(1) / "frames.safetensors")
    work.file(work.reporting / E / "thesis.pdf")
    assert versions_of(paths(work.plan()), "frames.safetensors") == {version(2)}
    assert {path.name for path in paths(work.plan())} == {"frames.safetensors", version(2)}


def test_empty_folders_go_once_they_are_old(work):
    work.weights("frames", 1, 1)
    empty = work.models / E / "frames.safetensors" / version(2)
    empty.mkdir()
    assert paths(work.plan(later=False)) == set()
    assert paths(work.plan()) == paths(work.plan(), EMPTY) == {empty}


def test_cards_that_may_not_be_looked_at_protect_everything_of_their_experiment(work, monkeypatch):
    for number in range(1, 5):
        work.weights("frames", number, number)
        work.weights("frames", number, number, OTHER)
    refuse(monkeypatch, Path, "iterdir", work.reporting / E / "scores.json")
    made = work.plan()
    assert {path.parents[2].name for path in paths(made) if path.name == "frames.safetensors"} == {OTHER}
    assert made.faults == (f"{work.reporting / E}: Permission denied; no version is removed",)


def test_every_versioned_output_of_the_catalog_is_known_by_its_shape(work):
    entries = yaml.safe_load((PROJECT / "conf" / "base" / "catalog.yml").read_text())
    versioned = [entry["filepath"] for entry in entries.values() if entry.get("versioned")]
    assert len(versioned) > 10
    for filepath in versioned:
        path = Path(filepath.replace("${workspace:}", str(work.folder)).replace("{experiment}", OTHER))
        for number in (1, 2, 3):
            work.file(path / version(number) / path.name)
        assert path / version(1) / path.name in paths(work.plan(), OLDER) or path.name == "scores.json"
    assert work.cache == Path(entries["feature_cache"]["filepath"].replace("${workspace:}", str(work.folder)))
    assert entries["{experiment}.images"]["store"] == "${workspace:}/data/03_primary/store"


def test_versions_are_named_as_kedro_does():
    from kedro.io.core import generate_timestamp

    assert VERSION.fullmatch(generate_timestamp())
