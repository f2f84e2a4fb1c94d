"""Parquet in the Hub's layout: what is published is read to the last byte, and nothing else is."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from helpers.parquet_files import CLASSES, pixels, png, pngs, write
from papergan.data.declarations import ParquetDeclaration, parse_declarations
from papergan.data.images import ImageSet
from papergan.data.parquet import read_parquet
from papergan.errors import DataError

ROOT = Path(__file__).parents[2]


def read(path: Path, digest: str | None = None, **changes) -> ImageSet:
    settings = {
        "name": "set/train", "image_column": "img", "mode": "RGB", "size": 8, "classes": CLASSES, "rows": 6,
        "digest": digest if digest is not None else digest_of(path),
    }  # fmt: skip
    return read_parquet(path, **(settings | changes))


def digest_of(path: Path) -> str:
    """The digest that the reader says it found, asked for with a wrong one."""
    try:
        read(path, digest="0" * 64)
    except DataError as error:
        message = str(error)
        return message.split("got ")[1].split(";")[0] if "content digest" in message else "0" * 64
    raise AssertionError


def test_pixels_and_labels_are_those_of_the_file(tmp_path):
    images = read(write(tmp_path / "a.parquet", pngs()))
    wanted = {(tuple(array.transpose(2, 0, 1).flatten().tolist()), index % 3) for index, array in enumerate(pixels())}
    got = {(tuple(i.flatten().tolist()), int(label)) for i, label in zip(images.images, images.labels, strict=True)}
    assert got == wanted
    assert images.classes == CLASSES


def test_order_of_rows_and_packing_do_not_matter(tmp_path):
    original = read(write(tmp_path / "a.parquet", pngs()))
    order = [3, 0, 5, 1, 4, 2]
    repacked = pngs(compress_level=1)
    other = write(tmp_path / "b.parquet", [repacked[i] for i in order], [i % 3 for i in order])
    again = read(other, digest=original.digest)
    assert torch.equal(again.images, original.images)
    assert torch.equal(again.labels, original.labels)


@pytest.mark.parametrize("change", ["pixel", "label"])
def test_other_content_is_not_the_published_data_set(tmp_path, change):
    digest = digest_of(write(tmp_path / "a.parquet", pngs()))
    array, labels = pixels(), [i % 3 for i in range(6)]
    if change == "pixel":
        array[2, 3, 3, 0] ^= 1
    else:
        labels[2] = 1
    path = write(tmp_path / "b.parquet", [png(one) for one in array], labels)
    with pytest.raises(DataError, match=f"b.parquet is not the published set/train: expected content digest {digest}"):
        read(path, digest=digest)


def huge_png() -> bytes:
    """A header that claims 50 000 x 50 000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"x")) + chunk(b"IEND", b"")


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "empty": (b"", "no image bytes"),
    "garbage": (b"\x00" * 100, "not a whole PNG"),
    "cut": (pngs()[0][:60], "not a whole PNG"),
    "flipped": (pngs()[0][:70] + b"\xff\x00\xff" + pngs()[0][73:], "not a whole PNG"),
    "jpeg in CMYK": (cmyk(), "has pixels of mode CMYK"),
    "one pixel": (png(pixels(1, 1)[0]), "is RGB 1x1"),
    "other size": (png(pixels(1, 9)[0]), "is RGB 9x9"),
    "grey": (png(pixels(1)[0], "L"), "is L 8x8, expected RGB 8x8"),
    "transparent": (png(pixels(1)[0], "RGBA"), "is RGBA 8x8"),
    "huge": (huge_png(), "more than 67108864 pixels"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_bytes_stop_with_file_row_and_reason(tmp_path, kind):
    bytes_, reason = BAD[kind]
    images = pngs()
    images[4] = bytes_
    with pytest.raises(DataError, match=rf"bad\.parquet.*row 4.*({reason})"):
        read(write(tmp_path / "bad.parquet", images))


@pytest.mark.parametrize(("label", "reason"), [(3, "0..2, got 3"), (-1, "0..2, got -1"), (None, "got None")])
def test_labels_out_of_range_stop_with_their_row(tmp_path, label, reason):
    with pytest.raises(DataError, match=f"row 5.*{reason}"):
        read(write(tmp_path / "bad.parquet", pngs(), [0, 1, 2, 0, 1, label]))


def test_labels_that_are_no_integers_are_refused(tmp_path):
    with pytest.raises(DataError, match="must hold integers, got double"):
        read(write(tmp_path / "bad.parquet", pngs(), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]))


def test_wrong_tables_are_refused(tmp_path):
    good = write(tmp_path / "a.parquet", pngs())
    with pytest.raises(DataError, match="needs one column 'image'; it has: img, label"):
        read(good, image_column="image")
    with pytest.raises(DataError, match="must have 7 rows, got 6"):
        read(good, rows=7)
    with pytest.raises(DataError, match="must be a struct with a binary field"):
        read(good, image_column="label")


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_cut_file_is_no_parquet(tmp_path, keep):
    path = write(tmp_path / "a.parquet", pngs())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="a.parquet is not a readable parquet file"):
        read(path)
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "none.parquet")


def test_real_cifar10_is_what_the_catalog_pins(real_data):
    """With `kedro` not needed: the catalog's declaration, the library's reader."""
    text = (ROOT / "conf/base/catalog.yml").read_text().replace("${workspace:}", ".")
    declared = parse_declarations(yaml.safe_load(text)["image_library"]["datasets"])["cifar10"]
    assert isinstance(declared, ParquetDeclaration)
    images = read_parquet(
        real_data / declared.test.file, name="cifar10/test", image_column=declared.image_column, mode=declared.mode,
        size=declared.size, classes=declared.classes, rows=declared.test.rows, digest=declared.test.digest,
    )  # fmt: skip
    assert torch.bincount(images.labels).tolist() == [1000] * 10
    assert images.images.float().mean((0, 2, 3)).tolist() == pytest.approx([126.0, 123.7, 114.9], abs=1.0)
