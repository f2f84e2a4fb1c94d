"""Copies of files at a URL of fsspec, and what is kept there: results, checkpoints, classifiers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import fsspec.implementations.local
import pytest
import torch

from helpers.project_run import command_here
from papergan.config.mode_stress import ModeResult
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache, SharedFeatureCache
from papergan.datasets.trial_results import ExperimentTrialStore, ModeTrialStore, TrialStoreDataset
from papergan.errors import CheckpointError, RecipeError, StorageError
from papergan.remote_copy import RemoteCopy, check_remote_copy, url_from
from papergan.studies.worker import Assignment, WorkerRefused
from papergan.studies.worker import _check as check_assignment
from papergan.weights import Weights


class Machines:
    """Two machines that share no disk, and the storage that both reach."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        self.first, self.second = (
            RemoteCopy(folder / name, f"file://{self.bucket}/papergan") for name in ("first", "second")
        )

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.bucket)) for path in self.bucket.rglob("*") if path.is_file())


@pytest.fixture
def machines(tmp_path):
    return Machines(tmp_path)


def written(copy: RemoteCopy, name: str, text: str) -> Path:
    path = copy.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_there_under_its_name_below_the_url(machines):
    here = written(machines.first, "data/cells/a.json", "one")
    machines.first.send(here)
    assert machines.files() == ["papergan/data/cells/a.json"]
    there = machines.second.root / "data/cells/a.json"
    assert machines.second.fetch(there)
    assert there.read_text() == "one"
    here.write_text("two")
    machines.first.send(here)
    assert machines.second.fetch(there)
    assert there.read_text() == "two"
    assert machines.second.names(there.parent) == ["a.json"]
    assert machines.second.has(there)
    assert not machines.second.has(there.with_name("b.json"))
    machines.second.remove(there)
    machines.second.remove(there)
    assert machines.files() == []
    assert machines.second.names(there.parent / "none") == []
    assert not machines.first.fetch(here)
    assert here.read_text() == "two"


def test_of_two_senders_the_first_wins(machines):
    first, second = (written(copy, "a", text) for copy, text in ((machines.first, "1"), (machines.second, "2")))
    assert machines.first.send_first(first, first.read_bytes())
    assert not machines.second.send_first(second, second.read_bytes())
    assert machines.second.fetch(second)
    assert second.read_text() == "1"


def test_storage_that_does_not_answer_is_not_taken_for_empty(machines, monkeypatch):
    def gone(*given, **named):
        raise ConnectionError("no route")

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "info", gone)
    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "ls", gone)
    store = ModeTrialStore(machines.first.root / "cells", machines.first.root / "work", machines.first)
    with pytest.raises(StorageError, match=r"cannot be looked for \(no route\)"):
        store.find("a")
    with pytest.raises(StorageError, match=r"cannot be listed \(no route\)"):
        store.checkpoints.open("a").latest()


@pytest.mark.parametrize("url", ["nonsense://bucket/papergan", "github://nobody/papergan"])
def test_a_protocol_that_nobody_installed_is_one_line(tmp_path, url):
    with pytest.raises(StorageError) as error:
        check_remote_copy(RemoteCopy(tmp_path, url))
    assert "\n" not in str(error.value)
    assert url.partition(":")[0] in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_storage_that_refuses_is_one_line(machines):
    machines.bucket.joinpath("papergan").write_text("a file where the folder would be")
    with pytest.raises(StorageError, match=r"cannot be written \(.*\); see to the storage and its credentials"):
        check_remote_copy(machines.first)


def test_storage_is_probed(machines):
    machines.first.root.mkdir()
    check_remote_copy(machines.first)
    assert machines.files() == []
    assert list(machines.first.root.iterdir()) == []


def test_only_a_url_is_taken(monkeypatch):
    monkeypatch.delenv("PAPERGAN_REMOTE", raising=False)
    assert url_from("PAPERGAN_REMOTE") is None
    monkeypatch.setenv("PAPERGAN_REMOTE", "s3://bucket/papergan")
    assert url_from("PAPERGAN_REMOTE") == "s3://bucket/papergan"
    for wrong in ("bucket/papergan", "/shared", "s3:bucket", "s3:// bucket"):
        monkeypatch.setenv("PAPERGAN_REMOTE", wrong)
        with pytest.raises(RecipeError, match="PAPERGAN_REMOTE=.* is not a URL of fsspec; expected"):
            url_from("PAPERGAN_REMOTE")


ACCOUNT = "me:s3cret"


@pytest.mark.parametrize("url", [f"ftp://{ACCOUNT}@host/papergan", f"ftp://{ACCOUNT}@@host/papergan", "a+b://me:@host"])
def test_an_address_with_a_password_is_refused(tmp_path, url):
    with pytest.raises(
        RecipeError, match="must have no password in it.*: FSSPEC_(FTP|A\\+B), ~/.config/fsspec"
    ) as error:
        RemoteCopy(tmp_path, url)
    assert "s3cret" not in str(error.value)
    assert "me" not in str(error.value).partition(": a copy's")[0]


def test_an_address_with_a_user_alone_is_taken(tmp_path):
    for url in ("ftp://me@host:21/papergan", "abfs://container@account.dfs.core.windows.net/papergan"):
        assert RemoteCopy(tmp_path, url).url == url


def test_the_command_refuses_an_address_with_a_password_in_one_line(monkeypatch):
    monkeypatch.setenv("PAPERGAN_REMOTE", f"ftp://{ACCOUNT}@127.0.0.1:9/papergan")
    done = command_here("run", "--pipelines", "mode_stress_test", "--env", "test")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("papergan: ftp://127.0.0.1:9/papergan: a copy's address")
    assert "s3cret" not in done.output


def test_an_error_shows_no_password(monkeypatch):
    monkeypatch.setenv("PAPERGAN_REMOTE", f"ftp://{ACCOUNT}@host /papergan")
    with pytest.raises(RecipeError, match="is not a URL") as error:
        url_from("PAPERGAN_REMOTE")
    assert "ftp://host /papergan" in str(error.value)


def test_checkpoints_go_on_on_another_machine(machines):
    stores = [
        CheckpointFolder(copy.root / "checkpoints", copy).open("recipe") for copy in (machines.first, machines.second)
    ]
    stores[0].check_images("a" * 64)
    for step in (1, 2, 3):
        stores[0].save(step, {"at": step})
    assert sum(name.endswith(".json") for name in machines.files()) == 2  # as many as are kept on the disk
    assert sum(name.endswith(".pt") for name in machines.files()) == 2
    with pytest.raises(CheckpointError, match="of other images"):
        stores[1].check_images("b" * 64)
    stores[1].check_images("a" * 64)
    assert stores[1].latest().state == {"at": 3}
    stores[1].save(4, {"at": 4})
    assert stores[0].latest().state == {"at": 4}
    stores[0].clear()
    assert machines.files() == []


def test_a_copy_that_is_damaged_is_not_gone_on_from(machines):
    both = machines.first, machines.second
    first, second = (CheckpointFolder(copy.root / "work", copy).open("recipe") for copy in both)
    first.save(1, {"at": 1})
    first.save(2, {"at": 2})
    newest = max(machines.bucket.rglob("step-*2-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert second.latest().state == {"at": 1}


def result() -> ModeResult:
    return ModeResult(over_time=[{"step": 1.0}], losses=[], seconds_per_step=0.1, points=[[0.0, 1.0]])


def test_a_result_is_found_by_every_machine(machines):
    first, second = (
        ModeTrialStore(copy.root / "cells", copy.root / "work", copy) for copy in (machines.first, machines.second)
    )
    assert first.find("a") is None
    first.checkpoints.open("a").save(1, {"at": 1})
    first.keep("a", result())
    assert machines.files() == ["papergan/cells/a.json"]
    assert asdict(second.find("a")) == asdict(result())
    copied = machines.bucket / "papergan/cells/b.json"
    copied.write_bytes((machines.bucket / "papergan/cells/a.json").read_bytes().replace(b"1.0", b"2.0"))
    assert second.find("b") is None


def test_the_file_that_makes_a_result_count_is_sent_last(machines, monkeypatch):
    sent, cells = [], machines.first.root / "cells"
    store = ExperimentTrialStore(cells, machines.first.root / "work", machines.first)
    for name in ("a/scores.json", "a/history.csv"):
        written(machines.first, f"cells/{name}", "")
    monkeypatch.setattr(RemoteCopy, "send", lambda self, path: sent.append(path.name))
    monkeypatch.setattr(store, "_save", lambda key, result: None)
    monkeypatch.setattr(store, "_clear", lambda key, result: None)
    store.keep("a", None)
    assert sent == ["history.csv", "scores.json"]


def test_one_classifier_for_all_machines(machines):
    """Of two machines that make one at the same time, both use that of the first."""
    caches = [FeatureCache(copy.root / "rulers", copy) for copy in (machines.first, machines.second)]

    def made(number: float) -> Weights:
        return Weights({"value": torch.tensor([number])})

    def meanwhile() -> Weights:
        caches[0].get_or_compute("classifier", {"of": "digits"}, lambda: made(1.0))
        return made(2.0)

    used = caches[1].get_or_compute("classifier", {"of": "digits"}, meanwhile)
    assert used.tensors["value"].item() == 1.0
    shared = SharedFeatureCache(caches[1].folder, caches[1].remote)
    shared.path_of("classifier", {"of": "digits"}).unlink()
    again = shared.get_or_compute("classifier", {"of": "digits"}, lambda: made(3.0))
    assert again.tensors["value"].item() == 1.0


def test_a_classifier_that_could_not_be_sent_is_not_used_by_one_machine_alone(machines, monkeypatch):
    """Nor one whose machine was killed before it was sent: the next classifier there is that of the others."""
    caches = [FeatureCache(copy.root / "rulers", copy) for copy in (machines.first, machines.second)]

    def away(*_, **__):
        raise OSError("the storage is away")

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "pipe_file", away)
    with pytest.raises(StorageError, match="the storage is away"):
        caches[0].get_or_compute("classifier", {}, lambda: Weights({"value": torch.tensor([1.0])}))
    monkeypatch.undo()
    used = [cache.get_or_compute("classifier", {}, lambda: Weights({"value": torch.tensor([2.0])})) for cache in caches]
    assert [one.tensors["value"].item() for one in used] == [2.0, 2.0]


def used_by(caches, number: float) -> list[float]:
    """The classifier of each cache in turn; one that has to be made is this number."""
    made = Weights({"value": torch.tensor([number])})
    return [one.get_or_compute("classifier", {}, lambda: made).tensors["value"].item() for one in caches]


@pytest.mark.parametrize(("order", "value"), [(("first", "second"), 1.0), (("second", "first"), 2.0)])
def test_a_classifier_from_before_there_was_a_copy_is_that_of_all_machines_unless_there_is_one(
    machines, monkeypatch, order, value
):
    used_by([FeatureCache(machines.first.root / "rulers")], 1.0)
    caches = [FeatureCache(copy.root / "rulers", copy) for copy in (getattr(machines, one) for one in order)]
    assert used_by(caches, 2.0) == [value, value]
    monkeypatch.setattr(RemoteCopy, "_storage", lambda *_: pytest.fail("asked again"))
    assert used_by(caches, 3.0) == [value, value]


def test_a_damaged_copy_does_not_replace_what_is_here(machines):
    values = [Weights({"value": torch.tensor([number])}) for number in (1.0, 2.0)]
    FeatureCache(machines.first.root / "rulers").get_or_compute("classifier", {}, lambda: values[0])
    cache = FeatureCache(machines.first.root / "rulers", machines.first)
    there = machines.bucket / "papergan/rulers" / cache.path_of("classifier", {}).name
    there.parent.mkdir(parents=True)
    there.write_bytes(b"\0" * 8)
    assert cache.get_or_compute("classifier", {}, lambda: values[1]).tensors["value"].item() == 1.0
    assert there.read_bytes() == cache.path_of("classifier", {}).read_bytes()


def test_a_damaged_copy_of_a_classifier_is_replaced(machines):
    first, second = (FeatureCache(copy.root / "rulers", copy) for copy in (machines.first, machines.second))
    values = [Weights({"value": torch.tensor([number])}) for number in (1.0, 2.0)]
    first.get_or_compute("classifier", {}, lambda: values[0])
    there = machines.bucket / "papergan/rulers" / first.path_of("classifier", {}).name
    there.write_bytes(there.read_bytes()[:-1])
    assert second.get_or_compute("classifier", {}, lambda: values[1]).tensors["value"].item() == 2.0
    first.path_of("classifier", {}).unlink()
    assert first.get_or_compute("classifier", {}, lambda: values[0]).tensors["value"].item() == 2.0


def test_workers_know_the_storage_of_the_head(machines):
    """A worker on another machine has other files under the same path: it is the copy that says who the head is."""
    note = written(machines.first, "cells/.head", "")
    assignment = Assignment(None, None, 1, note, machines.first, token="of this head")
    assignment.publish()
    note.write_text("of a head that died")  # what the other machine has on its disk
    check_assignment(assignment)
    assert note.read_text() == "of this head"
    assignment.withdraw()
    assert machines.files() == []
    note.write_text("of a head that died")
    with pytest.raises(WorkerRefused, match="does not see the workspace of the head"):
        check_assignment(assignment)


def test_the_catalog_names_the_storage(machines):
    entry = {"filepath": str(machines.first.root / "cells"), "trials": "modes", "checkpoints": str(machines.first.root)}
    assert TrialStoreDataset(**entry).load().remote is None
    assert TrialStoreDataset(**entry, remote={"root": "/x", "url": None}).load().remote is None
    named = TrialStoreDataset(**entry, remote={"root": str(machines.first.root), "url": machines.first.url})
    assert named.load().remote == named.load().checkpoints.remote == machines.first
    assert named._describe()["remote"] == machines.first.url
