"""Checkpoints: which may go, and above all which may not."""

from __future__ import annotations

import pytest

from helpers.fake_workspace import (
    ALL_GO,
    RECIPE,
    E,
    held_elsewhere,
    paths,
    version,
    versions_of,
)
from papergan.maintenance import removal
from papergan.maintenance.checkpoints import FINISHED, USELESS
from papergan.maintenance.versions import OLDER


def test_those_of_unfinished_runs_stay(work):
    work.checkpoints(4, 8)
    work.run(1, step=12)
    work.checkpoints(4, 8, recipe="0" * 12)
    assert paths(work.planned(ALL_GO)) == set()


def test_those_of_finished_runs_stay_unless_asked_for(work):
    work.checkpoints(4, 12)
    work.run(1, step=12)
    assert paths(work.plan()) == set()
    made = work.planned(ALL_GO)
    names = [piece.path.name.split("-")[1].split(".")[0] for one in made.removals for piece in one.pieces]
    assert names == ["000000004", "000000004", "000000012", "000000012"]  # the newest last
    assert [one.pieces[0].path.suffix for one in made.removals] == [".json", ".json"]  # manifests first
    assert {one.reason for one in made.removals} == {FINISHED}


def test_a_recipe_is_finished_though_another_was_trained_since(work):
    work.checkpoints(12)
    work.run(1, step=12)
    work.run(2, step=20, recipe="0" * 12, seed=1)
    assert len(paths(work.planned(ALL_GO), FINISHED)) == 2


def test_damaged_results_are_no_reason_to_remove_checkpoints(work):
    work.checkpoints(12)
    work.run(1, step=12)
    trained = work.models / E / "trained.safetensors" / version(1) / "trained.safetensors"
    content = bytearray(trained.read_bytes())
    content[-1] ^= 1
    trained.write_bytes(content)
    assert paths(work.planned(ALL_GO), FINISHED) == set()


def test_results_that_are_to_be_removed_prove_nothing(work):
    work.checkpoints(12)
    for number, recipe in enumerate((RECIPE, "0" * 12), 1):
        work.weights("trained", number, number, recipe=recipe, step="12")
    made = work.planned(ALL_GO)
    assert versions_of(paths(made, OLDER), "trained.safetensors") == {version(1)}
    assert paths(made, FINISHED) == set()


def test_data_without_a_manifest_go(work):
    store = work.checkpoints(4, 8)
    stray = {
        work.file(store.folder / f"step-000000009-{'c' * 12}.pt"),
        work.file(store.folder / f"step-000000008-{'c' * 12}.pt"),
    }
    work.file(store.folder / "best.pt")
    assert paths(work.plan()) == paths(work.plan(), USELESS) == stray


@pytest.mark.parametrize("damage", ["cut", "lost", "manifest", "emptied"])
def test_a_damaged_one_goes_where_another_is_whole(work, damage):
    store = work.checkpoints(4, 8)
    (data,) = store.folder.glob("step-000000008-*.pt")
    manifest = store.folder / "step-000000008.json"
    if damage == "lost":
        data.unlink()
    elif damage == "cut":
        data.write_bytes(data.read_bytes()[:-1])
    else:
        manifest.write_bytes(b"{" if damage == "manifest" else b"{}")
    made = work.plan()
    assert paths(made) == paths(made, USELESS) == ({manifest} if damage == "lost" else {manifest, data})
    removal.remove(made.removals)
    assert work.checkpoints().latest().step == 4


def test_a_damaged_one_of_a_finished_run_goes_once(work):
    store = work.checkpoints(4, 12)
    work.run(1, step=12)
    (data,) = store.folder.glob("step-000000004-*.pt")
    data.write_bytes(b"")
    made = work.planned(ALL_GO)
    assert [one.reason for one in made.removals] == [USELESS, FINISHED]
    assert len(paths(made)) == sum(len(one.pieces) for one in made.removals) == 4


def test_the_last_manifest_stays_so_that_no_run_starts_anew_in_silence(work):
    store = work.checkpoints(4, 8)
    for data in store.folder.glob("*.pt"):
        data.write_bytes(b"")
    assert paths(work.plan()) == set()


def test_foreign_folders_stay(work):
    work.file(work.models / E / "checkpoints" / "backup" / f"step-000000009-{'c' * 12}.pt")
    assert paths(work.plan()) == set()


def test_removal_holds_the_lock_of_training(work):
    store = work.checkpoints(4)
    stray = work.file(store.folder / f"step-000000009-{'c' * 12}.pt")
    made = work.plan()
    with held_elsewhere(store.folder / "lock"):
        done, faults = removal.remove(made.removals)
    assert done == []
    assert faults == [f"{store.folder / 'lock'}: held by another process, which trains this recipe; left alone"]
    assert stray.exists()
