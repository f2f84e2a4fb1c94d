"""Checkpoints under damage: whole or absent, two kept, nothing foreign, no silent fresh start."""

from __future__ import annotations

import json
import multiprocessing
import pickle

import pytest
import torch

from papergan.errors import CheckpointError
from papergan.training.checkpoint import CheckpointStore


def store(folder, fingerprint: str = "abc") -> CheckpointStore:
    return CheckpointStore(folder, fingerprint)


def filled(folder, steps=(1, 2)) -> CheckpointStore:
    kept = store(folder)
    kept.folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        kept.save(step, {"weight": torch.full((3,), float(step)), "nested": {"k": [1, 2.5, "text"]}}, images=10 * step)
    return kept


def data(kept: CheckpointStore, step: int):
    return kept.folder / f"step-{step:09d}.pt"


def test_what_is_saved_is_read_back(tmp_path):
    latest = filled(tmp_path).latest()
    assert latest.step == 2
    assert torch.equal(latest.state["weight"], torch.full((3,), 2.0))
    assert latest.state["nested"] == {"k": [1, 2.5, "text"]}


def test_no_checkpoint_is_none_and_two_are_kept(tmp_path):
    assert store(tmp_path).latest() is None
    kept = filled(tmp_path, steps=(1, 2, 3, 4))
    assert kept.steps() == [3, 4]
    assert sorted(path.name for path in kept.folder.iterdir()) == [
        "step-000000003.json", "step-000000003.pt", "step-000000004.json", "step-000000004.pt",
    ]  # fmt: skip


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_skipped_aloud(tmp_path, caplog, fraction):
    kept = filled(tmp_path)
    content = data(kept, 2).read_bytes()
    data(kept, 2).write_bytes(content[: int(fraction * len(content))])
    assert kept.latest().step == 1
    assert "damaged checkpoint skipped" in caplog.text


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_single_flipped_bit_is_noticed(tmp_path, place):
    kept = filled(tmp_path)
    content = bytearray(data(kept, 2).read_bytes())
    content[int(place * len(content))] ^= 1
    data(kept, 2).write_bytes(content)
    assert kept.latest().step == 1


def test_all_damaged_is_an_error_and_never_a_fresh_start(tmp_path):
    kept = filled(tmp_path)
    for step in (1, 2):
        data(kept, step).write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of 2 checkpoints is whole"):
        kept.latest()


def test_data_without_a_manifest_does_not_exist(tmp_path):
    kept = filled(tmp_path)
    (kept.folder / "step-000000002.json").unlink()
    (kept.folder / ".step-000000003.pt.x.part").write_bytes(b"half")
    assert kept.latest().step == 1
    kept.save(3, {}, images=0)
    assert not list(kept.folder.glob(".*.part"))
    assert not data(kept, 2).exists()


def test_a_checkpoint_of_another_recipe_is_not_taken(tmp_path):
    kept, other = filled(tmp_path), store(tmp_path, "other")
    assert other.latest() is None
    other.folder.mkdir()
    for path in kept.folder.glob("step-*"):
        (other.folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match="none of 2"):
        other.latest()


def test_code_in_a_checkpoint_is_refused_even_with_the_right_digest(tmp_path):
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self):
            return marker.touch, ()

    kept = filled(tmp_path, steps=(1, 2))
    import hashlib

    content = pickle.dumps(Payload())
    data(kept, 2).write_bytes(content)
    manifest = kept.folder / "step-000000002.json"
    facts = json.loads(manifest.read_text()) | {"sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(facts))
    assert kept.latest().step == 1
    assert not marker.exists()


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    kept = filled(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        CheckpointError, match=r"step-000000003\.pt: cannot be written \(No space left on device; \d+ bytes"
    ):
        kept.save(3, {"weight": torch.zeros(10)}, images=0)
    monkeypatch.undo()
    assert kept.latest().step == 2
    assert not list(kept.folder.glob(".*.part"))


def _hold(folder, ready, done):
    with store(folder).locked():
        ready.set()
        done.wait(20)


def test_one_writer_per_recipe_and_the_lock_dies_with_its_holder(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, done))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(CheckpointError, match=f"held by process {holder.pid}"), store(tmp_path).locked():
        pass
    with store(tmp_path, "another recipe").locked():
        pass
    holder.kill()
    holder.join()
    with store(tmp_path).locked():
        pass


def test_a_store_keeps_at_least_two(tmp_path):
    with pytest.raises(ValueError, match="at least 2"):
        CheckpointStore(tmp_path, "abc", keep=1)


def test_clear_forgets(tmp_path):
    kept = filled(tmp_path)
    kept.clear()
    assert kept.latest() is None
