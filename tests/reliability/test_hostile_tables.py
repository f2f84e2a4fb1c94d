"""Parquet files from somebody who means harm: forged counts, strange columns, paths that lead elsewhere."""

from __future__ import annotations

import struct

import pyarrow
import pyarrow.parquet
import pytest

from helpers.formats import declared_parquet
from helpers.hostile import WARNINGS, read, refused
from helpers.parquet_files import pngs, write

pytestmark = WARNINGS


def test_paths_in_a_parquet_file_are_never_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(pngs()[0])
    folder = tmp_path / "folder"
    folder.mkdir()
    rows = [{"bytes": None, "path": path} for path in ("../secret.png", str(tmp_path / "secret.png"))]
    column = pyarrow.array(rows, STRUCT)
    pyarrow.parquet.write_table(pyarrow.table({"img": column, "label": [0, 1]}), folder / "a.parquet")
    for read_it in (lambda: read(folder), lambda: declared_parquet(folder / "a.parquet", rows=2)):
        with refused("row 0.* no image bytes"):
            read_it()
    rows = [{"bytes": content, "path": "../../overwritten.png"} for content in pngs()]
    pyarrow.parquet.write_table(pyarrow.table({"img": rows, "label": [0, 1, 2] * 2}), folder / "a.parquet")
    assert declared_parquet(folder / "a.parquet")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.parquet", "folder", "secret.png"]


STRUCT = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
NESTED = {
    "struct of structs": pyarrow.array([{"bytes": {"bytes": b"x"}}] * 6),
    "list of bytes": pyarrow.array([[b"x"]] * 6),
    "text": pyarrow.array(["x"] * 6),
    "struct without bytes": pyarrow.array([{"path": "x"}] * 6),
    "struct of nothing": pyarrow.array([{"bytes": None}] * 6),
    "nothing at all": pyarrow.nulls(6),
    "numbers": pyarrow.array([2**63 - 1] * 6),
    "dictionary": pyarrow.array(pngs()).dictionary_encode(),
    "null rows": pyarrow.array([None] * 6, STRUCT),
    "map": pyarrow.array([[("bytes", b"x")]] * 6, pyarrow.map_(pyarrow.string(), pyarrow.binary())),
}


@pytest.mark.parametrize("name", NESTED)
def test_other_columns_than_images_are_refused(tmp_path, name):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"img": NESTED[name], "label": [0, 1, 2] * 2}), path)
    with refused(rf"{path}"):
        declared_parquet(path)
    if name != "dictionary":  # of whole images: they are read like any others
        with refused(rf"{path}"):
            read(path)


def test_column_names_cannot_write_lines_of_their_own(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x\npapergan: all is well": [1]}), path)
    for read_it in (lambda: read(path), lambda: declared_parquet(path)):
        with refused(r"it has: x\\npapergan: all is well"):
            read_it()


def varint(number: int) -> bytes:
    """As Thrift's compact protocol writes a positive i64: doubled, seven bits at a time."""
    number, parts = 2 * number, []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def with_forged_rows(content: bytes, rows: int) -> bytes:
    """The footer claims so many rows, for the file, its row group and its columns, where there were 6."""
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8].replace(b"\x16" + varint(6), b"\x16" + varint(rows))
    assert len(footer) > length or rows < 64
    return content[: -8 - length] + footer + struct.pack("<I", len(footer)) + content[-4:]


@pytest.mark.parametrize("rows", [7, 10**9, 10**15, 2**62])
@pytest.mark.parametrize("labelled", [True, False])
def test_forged_row_counts_cost_no_memory(tmp_path, rows, labelled):
    columns = {"img": [{"bytes": one} for one in pngs()]} | ({"label": [0, 1, 2] * 2} if labelled else {})
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path, write_statistics=False)
    path.write_bytes(with_forged_rows(path.read_bytes(), rows))
    with refused(rf"{path}|needs [\d.]+ GB of memory"):
        read(path)
    if labelled:
        for declared in (6, rows):
            with refused(rf"{path}|needs [\d.]+ GB of memory"):
                declared_parquet(path, rows=declared)
    if labelled and rows == 7:  # Arrow says nothing: the last image would be whatever was in memory
        with refused("does not hold the 7 rows it claims"):
            declared_parquet(path, rows=7)


def test_a_declared_size_beyond_all_memory_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", pngs())
    with refused(r"needs \d+\.\d GB of memory, .*; declare what the file holds"):
        declared_parquet(path, size=10**6)
