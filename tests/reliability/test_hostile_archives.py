"""NumPy's files and weights from somebody who means harm: forged sizes, archives that grow, code."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.formats import FORMATS, PRETRAINED
from helpers.hostile import MEBIBYTE, WARNINGS, forget_peak, peak, read, refused
from helpers.parquet_files import pixels

pytestmark = WARNINGS

# NumPy's files


def npy_bytes(shape: tuple[int, ...], kind: str = "|u1", body: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": kind})
    return buffer.getvalue() + body


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


SHAPES = [(10**6, 1000, 1000, 3), (10**15, 0, 8, 3), (2**62, 1, 1, 3), (10**9, 3, 0, 0), (-1, 8, 8, 3), (2, 8, 8, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_forged_shapes_cost_no_memory(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy_bytes(shape))
    zipped(tmp_path / "a.npz", **{"arr_0.npy": npy_bytes(shape, body=bytes(100))})
    for name in ("a.npy", "a.npz"):
        with refused(rf"{name} (is not a whole NumPy file|must be uint8|needs)"):
            read(tmp_path / name)


def test_a_header_that_claims_less_than_there_is_would_drop_images(tmp_path):
    array = np.ascontiguousarray(pixels(4))
    content = npy_bytes((3, 8, 8, 3), body=array.tobytes())
    (tmp_path / "a.npy").write_bytes(content)
    zipped(tmp_path / "a.npz", **{"arr_0.npy": content})
    for name in ("a.npy", "a.npz"):
        with refused(f"{name} is not a whole NumPy file"):
            read(tmp_path / name)


@pytest.mark.parametrize("size", [0, 100, 2**31, 2**32 - 2])
def test_forged_sizes_in_an_archive_are_refused(tmp_path, size):
    path = zipped(tmp_path / "a.npz", **{"arr_0.npy": npy_bytes((4, 8, 8, 3), body=bytes(768))})
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", size)  # uncompressed
    path.write_bytes(content)
    with refused(r"a\.npz (is not a whole NumPy file|needs)"):
        read(path)


def test_an_archive_that_grows_beyond_memory_is_refused_unread(tmp_path, monkeypatch):
    bomb = npy_bytes((2**13, 64, 64, 3), body=bytes(96 * MEBIBYTE))
    path = zipped(tmp_path / "a.npz", **{"arr_0.npy": bomb})
    assert path.stat().st_size < MEBIBYTE
    del bomb
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 50 * MEBIBYTE)
    with refused(r"a\.npz needs 0\.1 GB of memory, 0\.1 GB are available"):
        read(path)


def test_members_are_never_extracted(tmp_path):
    array = npy_bytes((2, 8, 8, 3), body=bytes(384))
    folder = tmp_path / "in"
    folder.mkdir()
    path = zipped(folder / "a.npz", **{"../../evil.npy": array, "/tmp/evil.npy": array, "../arr_0.npy": array})
    with refused(r"must hold one array called arr_0, images or samples; it has: \.\./\.\./evil, /tmp/evil"):
        read(path)
    zipped(path, **{"arr_0.npy": array, "../evil.npy": array, "a\nb": b""})
    assert len(read(path)) == 2
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a.npz", "in"]


def test_a_member_that_is_no_array_is_refused(tmp_path):
    for members in ({"arr_0": b"raw bytes"}, {"arr_0.npy": b"raw bytes"}, {"arr_0": npy_bytes((1, 8, 8, 3))}):
        path = zipped(tmp_path / "a.npz", **members)
        with refused(r"a\.npz is not a whole NumPy file"):
            read(path)


# Code


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if name != "page"])
def test_a_pickle_in_place_of_any_file_runs_nothing(tmp_path, name):
    form, marker = FORMATS[name], tmp_path / "marker"
    folder = tmp_path / "folder"
    folder.mkdir()
    form.write(folder)
    for content in (
        pickle.dumps(Payload(marker)),
        json.dumps({"py/reduce": ["os.system", f"touch {marker}"]}).encode(),
    ):
        (folder / form.file).write_bytes(content)
        with pytest.raises(Exception, match=str(folder)):
            form.read(folder)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # it would have worked


def test_pickled_objects_in_numpys_files_run_nothing(tmp_path):
    marker = tmp_path / "marker"
    array = np.empty((1, 8, 8, 3), object)
    array[:] = Payload(marker)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=array)
    for name in ("a.npy", "a.npz"):
        with refused(f"{name} is not a whole NumPy file"):
            read(tmp_path / name)
    assert not marker.exists()


def pretrained(tmp_path: Path, state: object) -> Path:
    torch.save(state, tmp_path / "a.pth")
    return tmp_path / "a.pth"


PLAIN = {"fc.weight": torch.zeros(2, 3), "x": torch.ones(2)}
STRANGE = {
    "payload": lambda path: {**PLAIN, "y": Payload(path)},
    "names that are none": lambda _: {1: torch.ones(2), "fc.weight": torch.zeros(2, 3)},
    "tensors without numbers": lambda _: {"fc.weight": torch.zeros(2, 3, device="meta"), "x": torch.ones(2)},
    "sparse tensors": lambda _: {**PLAIN, "x": torch.ones(2).to_sparse()},
    "a shape beyond its numbers": lambda _: {**PLAIN, "x": torch.ones(1).expand(10**12)},
}


@pytest.mark.parametrize("name", STRANGE)
def test_only_plain_tensors_are_taken_from_others(tmp_path, name):
    assert PRETRAINED.read(pretrained(tmp_path, PLAIN))
    path = pretrained(tmp_path, STRANGE[name](tmp_path / "marker"))
    with refused(r"a\.pth is (damaged or no file of plain tensors|not toy weights)"):
        PRETRAINED.read(path)
    assert not (tmp_path / "marker").exists()


def test_packed_weights_are_refused_unread(tmp_path):
    path = pretrained(tmp_path, {**PLAIN, "x": torch.zeros(2**16)})
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with refused("a.pth is damaged or no file of plain tensors"):
        PRETRAINED.read(zipped(path, **members))


@pytest.mark.parametrize("name", ["weights", "image set"])
@pytest.mark.parametrize("length", [10 * 2**30, 2**63, 2**64 - 1])
def test_a_header_of_ten_gigabytes_is_refused_at_once(tmp_path, name, length):
    form = FORMATS[name]
    form.write(tmp_path)
    path = tmp_path / form.file
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    forget_peak()
    before = peak()
    with pytest.raises(Exception, match=r"not a whole (safetensors )?file"):
        form.read(tmp_path)
    assert peak() - before < 64 * MEBIBYTE
