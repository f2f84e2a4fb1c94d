"""Files are whole or absent; weights are vouched for by their digest."""

from __future__ import annotations

import os
import stat

import pytest
import torch

from papergan.files import sha256_of, write_whole
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
