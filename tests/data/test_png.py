"""A PNG with one flipped bit is refused or shows the pixels that were stored, wherever it is read from."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from data.test_emoji import FIRST, a_font, bitmap
from helpers.parquet_files import pixels, png, write
from papergan.data.decoding import damage_of_png, decode, decode_png
from papergan.data.drawn.emoji import FONT, emoji_splits
from papergan.data.folder import read_images
from papergan.data.images import Picture
from papergan.errors import DataError, MemoryShortError

SIDE = 64
FLAT = np.full((SIDE, SIDE, 3), 77, np.uint8)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def interlaced(grey: np.ndarray) -> bytes:
    """As PNG's specification, 8.2, puts it into seven passes; Pillow reads such files and writes none."""
    passes = [grey[top::down, left::right] for left, top, right, down in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for one in passes if one.size for row in one)
    header = struct.pack(">IIBBBBB", *grey.shape[::-1], 8, 0, 0, 0, 1)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def sixteen_bit() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {
    "flat": png(FLAT),
    "noise": png(pixels(1, 8)[0]),
    "palette": png(pixels(1, 8)[0], mode="P"),
    "16 bit": sixteen_bit(),
    "interlaced": interlaced(pixels(1, 12)[0, :, :, 0]),
}


def flips(content: bytes) -> Iterator[bytes]:
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            yield bytes(changed)


def seen(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        side = image.width
    return decode(Picture("a.png", content), "RGB", side)


@pytest.mark.filterwarnings("ignore")  # what Pillow says on its way to an error
@pytest.mark.parametrize("kind", PICTURES)
def test_no_flipped_bit_gives_other_pixels(kind):
    content = PICTURES[kind]
    whole = seen(content)
    side = whole.shape[1]
    for number, damaged in enumerate(flips(content)):
        try:
            found = decode(Picture("a.png", damaged), "RGB", side)
        except DataError:
            continue
        assert np.array_equal(found, whole), number


def test_the_interlaced_picture_is_one():
    assert np.array_equal(seen(PICTURES["interlaced"])[0], pixels(1, 12)[0, :, :, 0])


def harmful() -> bytes:
    """A flat picture with a flipped bit in its pixels' checksum: Pillow never looks at it."""
    content = bytearray(PICTURES["flat"])
    content[-13] ^= 1
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), FLAT)
    return bytes(content)


def test_a_damaged_file_of_a_folder_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(PICTURES["flat"])
    (tmp_path / "b.png").write_bytes(harmful())
    with pytest.raises(DataError, match=r"b\.png is not a whole PNG image \(the chunk at byte 33 is damaged\); copy"):
        read_images(tmp_path, name="fake")


def test_a_damaged_row_of_a_table_is_named(tmp_path):
    path = write(tmp_path / "a.parquet", [PICTURES["flat"], harmful()])
    with pytest.raises(DataError, match=r"row 1 is not a whole PNG image \(the chunk at byte 33 is damaged\)"):
        read_images(path, name="fake")
    with pytest.raises(DataError, match=r"not a whole PNG image \(the chunk at byte 33 is damaged\)"):
        decode_png(Picture("a.png", harmful()), "RGB", SIDE)


def test_a_damaged_bitmap_of_a_font_is_named(tmp_path):
    broken = bytearray(bitmap((255, 0, 0)))
    broken[-13] ^= 1
    path = a_font(tmp_path / FONT, {FIRST: bitmap((0, 255, 0)), FIRST + 1: bytes(broken)})
    with pytest.raises(DataError, match=r"is damaged: U\+1F601 is not a whole PNG image .*; install it again"):
        emoji_splits("noto", train=1, test=1, size=4, seed=0, font=path)


def test_a_file_that_was_cut_is_refused_and_bytes_behind_its_end_are_not(tmp_path):
    content = PICTURES["noise"]
    whole = seen(content)
    for length in range(len(content)):
        with pytest.raises(DataError):
            decode(Picture("a.png", content[:length]), "RGB", 8)
    assert np.array_equal(seen(content + b"left by another program"), whole)
    assert damage_of_png(content + b"left by another program") == "23 bytes follow its end"


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(PICTURES["flat"])
    monkeypatch.setattr("papergan.data.memory.LARGE_FILE", 8)
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 16)
    with pytest.raises(MemoryShortError, match=r"a\.png has .* GB of memory are available"):
        decode(Picture("a.png", path), "RGB", SIDE)
