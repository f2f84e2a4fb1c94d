"""Files are whole or absent; weights are vouched for by their digest."""

from __future__ import annotations

import os
import resource
import signal
import stat

import pytest
import torch

from helpers.no_files import KINDS, bounded, put, quickly
from papergan.atomic_files import check_regular, read_regular, sha256_of, write_whole
from papergan.errors import StorageError
from papergan.weights import Weights


def test_what_is_written_is_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, b"one")
    write_whole(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]
    assert sha256_of(path) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def broken(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, broken)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("size", [100, 5000, 200_000])
def test_a_file_of_any_size_that_the_disk_refuses_is_one_line(tmp_path, size):
    """A small file is only in the buffer until it is flushed, and closing it would write it once more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(StorageError) as caught:
            write_whole(tmp_path / "file", bytes(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert f"cannot be written (File too large; {size} bytes needed" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3), "c": torch.zeros(0), "d": torch.ones(2).bfloat16()}


def test_the_digest_is_of_names_types_shapes_and_bytes():
    digest = Weights(TENSORS).digest
    assert Weights(dict(reversed(TENSORS.items())), {"any": "thing"}).digest == digest
    for change in (
        {"a": TENSORS["a"].t()},
        {"a": TENSORS["a"].double()},
        {"b": torch.tensor(4)},
        {"e": torch.zeros(1)},
        {"c": torch.zeros(0, 2)},
    ):
        assert Weights({**TENSORS, **change}).digest != digest
    assert Weights({**TENSORS, "a": TENSORS["a"].t().contiguous().t()}).digest == digest  # only the strides differ


def test_tensors_under_a_prefix():
    weights = Weights({"g.x": torch.zeros(1), "g.y.z": torch.ones(1), "gg.x": torch.ones(2)})
    assert set(weights.under("g")) == {"x", "y.z"}


@quickly
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", [read_regular, sha256_of, check_regular])
def test_what_is_no_file_is_refused_in_one_line(tmp_path, kind, read):
    put(kind, tmp_path / "a")
    with bounded(), pytest.raises(StorageError, match="a is a .*, expected a regular file; ") as caught:
        read(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", most=7) == b"content"


def test_what_is_too_large_is_refused_before_memory_is_given_to_it(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 40)  # takes no room
    with bounded(), pytest.raises(StorageError, match="has 1099511627776 bytes, expected at most 9"):
        read_regular(tmp_path / "a", most=9)


def test_what_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"1234")
    look = os.fstat

    def growing(descriptor):
        found = look(descriptor)
        with (tmp_path / "a").open("ab") as file:
            file.write(b"5")
        return found

    monkeypatch.setattr("os.fstat", growing)
    with pytest.raises(StorageError, match="grew while it was read"):
        read_regular(tmp_path / "a")


def test_what_is_not_there_is_said_as_ever(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "a")
