"""Checkpoints under damage: whole or absent, two kept, nothing foreign, no silent fresh start."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import pickle

import pytest
import torch

from helpers.no_files import bounded, put, quickly
from papergan.atomic_files import write_whole
from papergan.errors import CheckpointError, StorageError
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
    (path,) = kept.folder.glob(f"step-{step:09d}-*.pt")
    return path


def test_what_is_saved_is_read_back(tmp_path):
    latest = filled(tmp_path).latest()
    assert latest.step == 2
    assert torch.equal(latest.state["weight"], torch.full((3,), 2.0))
    assert latest.state["nested"] == {"k": [1, 2.5, "text"]}


def test_no_checkpoint_is_none_and_two_are_kept(tmp_path):
    assert store(tmp_path).latest() is None
    kept = filled(tmp_path, steps=(1, 2, 3, 4))
    assert kept.steps() == [3, 4]
    names = [data(kept, 3).name, "step-000000003.json", data(kept, 4).name, "step-000000004.json"]
    assert sorted(path.name for path in kept.folder.iterdir()) == sorted(names)


def test_checkpoints_of_other_images_are_not_gone_on_from(tmp_path):
    store(tmp_path).check_images("a" * 64)
    store(tmp_path).check_images("b" * 64)  # nothing was trained on those yet
    kept = filled(tmp_path)
    kept.check_images("b" * 64)
    with pytest.raises(CheckpointError, match="of other images than the data set holds now.*training.resume=false"):
        kept.check_images("c" * 64)
    kept.clear()
    kept.check_images("c" * 64)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_skipped_with_a_warning(tmp_path, caplog, fraction):
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
    assert not list(kept.folder.glob("step-000000002*"))


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
    content = pickle.dumps(Payload())
    digest = hashlib.sha256(content).hexdigest()
    (kept.folder / f"step-000000002-{digest[:12]}.pt").write_bytes(content)
    manifest = kept.folder / "step-000000002.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"sha256": digest}))
    assert kept.latest().step == 1
    assert not marker.exists()


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    kept = filled(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = r"step-000000003-\w+\.pt: cannot be written \(No space left on device; \d+ bytes needed, \d+ free\)"
    with pytest.raises(StorageError, match=said):
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


def test_a_step_that_is_saved_again_is_never_between_two_files(tmp_path, monkeypatch):
    """The first checkpoint of a run, saved again after its evaluation, while the second write fails."""
    kept = filled(tmp_path, steps=(1,))
    written = []

    def only_the_data(path, content):
        written.append(path.name)
        if path.suffix == ".json":
            raise StorageError("killed here")
        write_whole(path, content)

    monkeypatch.setattr("papergan.training.checkpoint.write_whole", only_the_data)
    with pytest.raises(StorageError):
        kept.save(1, {"weight": torch.zeros(3)}, images=0)
    assert len(written) == 2
    assert torch.equal(kept.latest().state["weight"], torch.full((3,), 1.0))


def test_a_damaged_newest_does_not_count_as_kept(tmp_path):
    kept = filled(tmp_path, steps=(10, 20))
    data(kept, 20).write_bytes(b"cut")
    assert kept.latest().step == 10
    kept.save(15, {}, images=0)
    assert kept.steps() == [10, 15]
    again = store(tmp_path)
    assert again.latest().step == 15


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_an_older_one_is_deleted_only_when_the_one_after_it_was_read_back(tmp_path, caplog, harm):
    kept = filled(tmp_path, steps=(10, 20))
    content = bytearray(data(kept, 20).read_bytes())
    content[len(content) // 2] ^= 1
    data(kept, 20).write_bytes(content) if harm == "flip" else data(kept, 20).unlink()
    kept.save(30, {}, images=0)
    assert kept.steps() == [10, 30]
    assert caplog.text.count("damaged checkpoint: ") == 1
    kept.save(40, {}, images=0)
    assert kept.steps() == [30, 40]
    data(kept, 40).write_bytes(b"")
    assert store(tmp_path).latest().step == 30


def test_a_damaged_newest_stays_until_enough_whole_ones_are_there(tmp_path):
    kept = CheckpointStore(tmp_path, "abc", keep=3)
    for step in (10, 20):
        kept.save(step, {}, images=0)
    data(kept, 20).write_bytes(b"cut")
    kept.latest()
    kept.save(15, {}, images=0)
    assert kept.steps() == [10, 15, 20]
    kept.save(17, {}, images=0)
    assert kept.steps() == [10, 15, 17]


@pytest.mark.parametrize(
    "manifest",
    [
        b"", b"\xff\xfe", b"[]", b"{}", b"null", b"[" * 100_000,
        b'{"sha256": "../../x", "step": 2, "fingerprint": "abc"}',
        b'{"sha256": 5, "step": 2, "fingerprint": "abc"}', b'{"step": 2}',
    ],
)  # fmt: skip
def test_a_tampered_manifest_is_skipped(tmp_path, manifest):
    kept = filled(tmp_path)
    (kept.folder / "step-000000002.json").write_bytes(manifest)
    assert kept.latest().step == 1
    kept.save(3, {}, images=0)
    assert kept.steps() == [1, 3]


def test_foreign_names_in_the_folder_are_left_alone(tmp_path):
    kept = filled(tmp_path)
    names = ("step-last.json", "step-.json", "step-000000002.json.bak", "notes.txt")
    for name in names:
        (kept.folder / name).write_text("mine")
    kept.save(3, {}, images=0)
    assert kept.steps() == [2, 3]
    assert [(kept.folder / name).read_text() for name in names] == ["mine"] * 4


def test_what_is_not_a_mapping_is_skipped(tmp_path):
    kept = filled(tmp_path)
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    (kept.folder / f"step-000000002-{digest[:12]}.pt").write_bytes(buffer.getvalue())
    manifest = kept.folder / "step-000000002.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"sha256": digest}))
    assert kept.latest().step == 1


def test_one_that_may_not_be_read_is_an_error_and_not_damaged(tmp_path, monkeypatch):
    kept = filled(tmp_path)
    monkeypatch.setattr("os.open", _refuse)
    with pytest.raises(CheckpointError, match="cannot be read"):
        kept.latest()


def _refuse(path, *_):
    raise PermissionError(13, "Permission denied")


def test_clear_forgets(tmp_path):
    kept = filled(tmp_path)
    kept.clear()
    assert kept.latest() is None


@quickly
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to zeros"])
@pytest.mark.parametrize("what", ["manifest", "data"])
def test_what_is_no_file_is_skipped_with_a_warning(tmp_path, caplog, what, kind):
    kept = filled(tmp_path)
    put(kind, data(kept, 2) if what == "data" else kept.folder / "step-000000002.json")
    with bounded():
        assert kept.latest().step == 1
        kept.save(3, {}, images=0)
    assert "expected a regular file" in caplog.text
    assert kept.steps() == [1, 3]


@quickly
def test_nothing_beyond_the_size_that_the_manifest_vouches_for_is_read(tmp_path, caplog):
    kept = filled(tmp_path)
    with data(kept, 2).open("ab") as file:
        file.truncate(1 << 40)  # takes no room
    with bounded():
        assert kept.latest().step == 1
    assert "has 1099511627776 bytes, expected at most" in caplog.text


@pytest.mark.parametrize("what", ["manifest", "data"])
def test_links_to_files_are_followed(tmp_path, what):
    kept = filled(tmp_path)
    path = data(kept, 2) if what == "data" else kept.folder / "step-000000002.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept.latest().step == 2
    kept.save(3, {}, images=0)
    assert kept.steps() == [2, 3]
    (kept.folder / "step-000000003.json").unlink()
    assert kept.latest().step == 2


def test_too_little_memory_is_said_in_words(tmp_path, monkeypatch):
    kept = filled(tmp_path)

    def short(*_, **__):
        raise MemoryError

    monkeypatch.setattr("torch.load", short)
    with pytest.raises(CheckpointError, match=r"cannot be read \(out of memory\)"):
        kept.latest()
