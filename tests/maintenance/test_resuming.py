"""Whatever lies in a folder of checkpoints: what could be resumed from before `kedro clean --yes` can be after it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.fake_workspace import ALL_GO, RECIPE, FakeWorkspace, paths
from helpers.no_files import bounded, put
from papergan.errors import CheckpointError
from papergan.maintenance.rules import FINISHED
from papergan.maintenance.scan import remove
from papergan.training.checkpoint import CheckpointStore

pytestmark = pytest.mark.timeout(120, method="signal")  # whoever waits at a pipe is called away


def _moved(path: Path) -> Path:
    elsewhere = path.parents[2] / f"elsewhere-{path.name}"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    return elsewhere


def _changed(**changes):
    def change(manifest: Path) -> None:
        known = json.loads(manifest.read_text())
        given = {key: value(known[key]) if callable(value) else value for key, value in changes.items()}
        manifest.write_text(json.dumps({key: value for key, value in (known | given).items() if value is not None}))

    return change


MANIFESTS = {
    "as it was": lambda path: None,
    "a link": _moved,
    "a link to nothing": lambda path: _moved(path).unlink(),
    "a pipe": lambda path: put("pipe", path),
    "zeros": lambda path: put("link to zeros", path),
    "a folder": lambda path: put("folder", path),
    "gone": lambda path: path.unlink(),
    "no JSON": lambda path: path.write_text("{"),
    "more bytes": _changed(bytes=lambda size: size + 7),
    "another digest": _changed(sha256="0" * 64),
    "no digest": _changed(sha256="../../precious"),
    "another step": _changed(step=77),
    "more keys": _changed(more=[1, {"a": 2}]),
}
DATA = {
    "as they were": lambda path: None,
    "a link": _moved,
    "a link to nothing": lambda path: _moved(path).unlink(),
    "a pipe": lambda path: put("pipe", path),
    "zeros": lambda path: put("link to zeros", path),
    "a folder": lambda path: put("folder", path),
    "gone": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "twice": lambda path: path.with_name(f"{path.name[:15]}{'c' * 12}.pt").write_bytes(path.read_bytes()),
}
STEP = st.tuples(st.sampled_from(sorted(MANIFESTS)), st.sampled_from(sorted(DATA)))


def resumable(store: CheckpointStore) -> tuple[dict[int, bool], int | str | None]:
    """Which steps can be read, and what `latest` comes to."""
    readable = {}
    for step in store.steps():
        try:
            store._read(step)
            readable[step] = True
        except Exception:
            readable[step] = False
    try:
        found = store.latest()
    except CheckpointError as error:
        return readable, str(error).partition(":")[2].replace(f"{len(readable)} checkpoints", "its checkpoints")
    return readable, found and found.step


def build(folder: Path, states: list[tuple[str, str]]) -> tuple[FakeWorkspace, CheckpointStore]:
    work = FakeWorkspace(folder.resolve())
    store = work.checkpoints(*range(1, len(states) + 1))
    for step, (manifest, data) in enumerate(states, 1):
        (path,) = store.folder.glob(f"step-{step:09d}-*.pt")
        DATA[data](path)
        MANIFESTS[manifest](store.folder / f"step-{step:09d}.json")
    return work, store


@settings(
    max_examples=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(STEP, min_size=1, max_size=3))
@example([("a link", "as they were")] * 2)
@example([("as it was", "as they were"), ("more bytes", "as they were")])
@example([("as it was", "as they were"), ("as it was", "a link")])
@example([("as it was", "flipped"), ("more bytes", "as they were")])
@example([("as it was", "flipped"), ("as it was", "cut")])
def test_what_could_be_resumed_from_still_can(tmp_path_factory, states):
    logging.disable(logging.WARNING)
    try:
        work, store = build(tmp_path_factory.mktemp("work"), states)
        before, latest = resumable(store)
        made = work.plan()
        done, errors = remove(made.removals)
        after, latest_after = resumable(store)
    finally:
        logging.disable(logging.NOTSET)
    assert (made.errors, errors, len(done)) == ((), [], len(made.removals))
    assert latest_after == latest
    assert {step for step, whole in after.items() if whole} == {step for step, whole in before.items() if whole}
    gone = before.keys() - after.keys()
    assert not gone or any(after.values())  # the last manifest stays
    assert not list(work.data.rglob("precious"))


@pytest.mark.parametrize("what", ["manifest", "data"])
def test_links_of_a_user_stay_and_so_does_what_they_lead_to(tmp_path, what):
    states = [("a link", "as they were") if what == "manifest" else ("as it was", "a link")] * 2
    work, _ = build(tmp_path, states)
    work.run(1, step=2)
    assert paths(work.planned(ALL_GO), FINISHED) == set()


def test_pipes_among_pointers_and_weights_hold_nothing_up(work):
    work.images(10)
    work.reference(10)
    work.run(1)
    work.checkpoints(4, recipe=RECIPE)
    weights = next((work.models).glob("*/trained.safetensors/*/trained.safetensors"))
    cards = next(work.reporting.glob("*/scores.json/*/scores.json"))
    for path in (*work.data.glob("03_primary/*/images.json"), *work.models.glob("*/reference.json"), weights, cards):
        put("pipe", path)
    with bounded():
        made = work.planned(ALL_GO)
    assert paths(made) == set()
    assert len([note for note in made.notes if "left alone" in note and "named pipe" in note]) == 2
