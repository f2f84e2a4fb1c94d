"""Anybody's parquet files: the column of images is found or asked for, rows keep their order."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch

from helpers.parquet_files import pixels, png, pngs, write
from papergan.data.folder import read_images
from papergan.data.images import ImageSet
from papergan.errors import DataError


def read(path: Path, **options) -> ImageSet:
    return read_images(path, name="real", **options)


def write_columns(path: Path, **columns: object) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def wanted() -> torch.Tensor:
    return torch.from_numpy(pixels().transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("column", ["image", "img", "picture"])
def test_the_layout_of_the_hub(tmp_path, column):
    images = read(write(tmp_path / "a.parquet", pngs(), [0, 2, 0, 1, 0, 1], column))
    assert torch.equal(images.images, wanted())
    assert (images.classes, images.labels.tolist()) == (("0", "1", "2"), [0, 2, 0, 1, 0, 1])


@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.large_binary()])
def test_a_plain_column_of_files_without_labels(tmp_path, kind):
    images = read(write_columns(tmp_path / "a.parquet", img=pyarrow.array(pngs(), kind)))
    assert torch.equal(images.images, wanted())
    assert (images.classes, images.labels.tolist(), images.name) == ((), [0] * 6, "real")


def test_labels_that_are_no_integers_are_ignored(tmp_path):
    assert read(write(tmp_path / "a.parquet", pngs(), list("abcabc"))).classes == ()


@pytest.mark.parametrize("label", [0, 3])
def test_one_label_alone_is_no_class(tmp_path, label):
    """As for folders: nothing could be learned from one class, nor counted."""
    images = read(write(tmp_path / "a.parquet", pngs(), [label] * 6))
    assert (images.classes, images.labels.tolist()) == ((), [0] * 6)


def test_limit_and_size_are_as_for_folders(tmp_path):
    images = read(write(tmp_path / "a.parquet", pngs()), limit=2, size=4)
    assert (images.name, tuple(images.images.shape), images.labels.tolist()) == ("real[2 of 6]@4", (2, 3, 4, 4), [0, 1])
    assert images.classes == ("0", "1", "2")


def test_a_folder_of_parquet_files_is_their_rows_in_order_of_names(tmp_path):
    write(tmp_path / "part-1.parquet", pngs()[4:], [5, 6])
    write(tmp_path / "part-0.parquet", pngs()[:4], [1, 2, 3, 4])
    images = read(tmp_path)
    assert torch.equal(images.images, wanted())
    assert images.labels.tolist() == [1, 2, 3, 4, 5, 6]
    (tmp_path / "a.png").write_bytes(pngs()[0])
    with pytest.raises(DataError, match="holds 1 images and 2 parquet files; name one kind alone"):
        read(tmp_path)


def test_a_folder_of_the_same_images_has_the_same_digest(tmp_path):
    (tmp_path / "folder").mkdir()
    for index, content in enumerate(pngs()):
        (tmp_path / "folder" / f"{index}.png").write_bytes(content)
    table = write_columns(tmp_path / "a.parquet", image=[{"bytes": one} for one in pngs()])
    assert read(tmp_path / "folder").digest == read(table).digest
    other = write_columns(tmp_path / "b.parquet", image=[{"bytes": one} for one in reversed(pngs())])
    assert read(other).digest != read(table).digest


def test_several_columns_of_images_need_a_name(tmp_path):
    path = write_columns(tmp_path / "a.parquet", left=pngs(), right=pngs())
    with pytest.raises(DataError, match="a.parquet has several columns that may hold images: left, right; call"):
        read(path)
    assert len(read(write_columns(tmp_path / "b.parquet", mask=[b"none"] * 6, image=pngs()))) == 6


def test_a_table_without_images_says_what_it_has(tmp_path):
    path = write_columns(tmp_path / "a.parquet", image=["a.png"], label=[0])
    with pytest.raises(DataError, match="a.parquet has no column of images, .*; it has: image, label"):
        read(path)
    with pytest.raises(DataError, match="b.parquet holds no images"):
        read(write_columns(tmp_path / "b.parquet", image=pyarrow.array([], pyarrow.binary())))


@pytest.mark.parametrize("bad", [-1, None, 2**40])
def test_labels_that_cannot_be_classes_stop_with_their_row(tmp_path, bad):
    path = write(tmp_path / "a.parquet", pngs(), [0, 1, bad, 0, 1, 0])
    with pytest.raises(
        DataError, match=f"a.parquet, row 2: label must be 0..65535, got {bad}; drop the column 'label'"
    ):
        read(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "has no image bytes"),
        (b"", "has no image bytes"),
        (b"none", "is not a whole PNG"),
        (pngs()[0][:-40], "is not a whole PNG"),
        (png(pixels(1, 9)[0]), "is 9x9, expected 8x8"),
    ],
)
def test_bad_rows_are_named(tmp_path, content, reason):
    path = write(tmp_path / "a.parquet", [*pngs()[:3], content, *pngs()[4:]])
    with pytest.raises(DataError, match=rf"a\.parquet, row 3 {reason}"):
        read(path)


def test_rows_are_counted_across_batches(tmp_path):
    path = write(tmp_path / "a.parquet", [*pngs() * 50, b"none"])
    with pytest.raises(DataError, match=r"a\.parquet, row 300 is not a whole PNG"):
        read(path)
    images = read(write(tmp_path / "b.parquet", pngs() * 50))
    assert torch.equal(images.images, wanted().repeat(50, 1, 1, 1))


def test_damaged_files_are_named(tmp_path):
    path = write(tmp_path / "a.parquet", pngs())
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet is a damaged parquet file"):
        read(path)
    path.write_bytes(content[:100])
    with pytest.raises(DataError, match=r"a\.parquet is not a readable parquet file"):
        read(path)
