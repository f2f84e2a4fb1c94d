"""Images and folders from somebody who means harm: what costs memory, blocks, or leads out of a folder."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.hostile import MEBIBYTE, WARNINGS, chunk, encoded, forged_png, read, refused
from helpers.parquet_files import pixels, png, pngs
from papergan.errors import DataError

pytestmark = WARNINGS

# What a reader says to a single bad image is tested beside it in tests/data.

# Claims that cost nothing to write


def forged_jpeg(width: int, height: int) -> bytes:
    content = encoded("JPEG")
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", height, width) + content[frame + 4 :]


def forged_bmp(width: int, height: int) -> bytes:
    content = encoded("BMP")
    return content[:18] + struct.pack("<ii", width, height) + content[26:]


def forged_webp(width: int, height: int) -> bytes:
    """An extended header: a canvas of any size around a picture of 8 x 8."""
    picture = encoded("WEBP", lossless=True)[12:]
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", len(canvas)) + canvas + picture
    return b"RIFF" + struct.pack("<I", len(body)) + body


CLAIMS = {
    "png": forged_png(50_000, 50_000),
    "png of one row": forged_png(2**31 - 1, 1),
    "png of a row that is short enough": forged_png(2**25, 1),
    "jpeg": forged_jpeg(65_500, 65_500),
    "bmp": forged_bmp(50_000, 50_000),
    "bmp upside down": forged_bmp(50_000, -50_000),
    "webp": forged_webp(16_383, 16_383),
    "webp beyond all bounds": forged_webp(2**24, 255),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_header_that_claims_a_huge_image_costs_no_memory(tmp_path, name):
    (tmp_path / "a.png").write_bytes(CLAIMS[name])
    with refused(r"a\.png (is \d+x\d+, (more than|expected a square)|has more than|is not a whole)"):
        read(tmp_path)


def test_text_that_grows_a_thousandfold_in_a_png_costs_no_memory(tmp_path):
    content = encoded("PNG")
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(128 * MEBIBYTE), 9))
    (tmp_path / "a.png").write_bytes(content[:33] + bomb + content[33:])
    with refused("a.png is not a whole PNG"):
        read(tmp_path)


# Cuts


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_wherever_an_image_is_cut_it_is_refused_or_every_pixel_is_there(tmp_path, kind):
    path, content = tmp_path / "a.png", encoded(kind, 12)
    path.write_bytes(content)
    whole = read(tmp_path).digest
    passed = 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with contextlib.suppress(DataError):
            assert read(tmp_path).digest == whole, length
            passed += 1
    assert passed <= 20  # what follows the pixels: the end of the file, checksums


def test_one_pixel_is_an_image_but_not_beside_larger_ones(tmp_path):
    (tmp_path / "b.png").write_bytes(png(pixels(1, 1)[0]))
    assert tuple(read(tmp_path).images.shape) == (1, 3, 1, 1)
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with refused(r"b\.png is 1x1, expected 8x8"):
        read(tmp_path)
    assert tuple(read(tmp_path, size=8).images.shape) == (2, 3, 8, 8)


def test_more_images_than_memory_holds_are_refused_after_the_first_header(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    (tmp_path / "b.png").write_bytes(b"never looked at")
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 2 * 3 * 8 * 8 - 1)
    with refused(r"fake, 2 images of 8x8, needs"):
        read(tmp_path)


# Folders


def test_names_with_line_breaks_and_escapes_stay_on_one_line(tmp_path):
    for name in ("a\n\x1b[2Jpapergan: done.png", "b\udcff.png"):
        try:
            (tmp_path / name).write_bytes(b"none")
        except (OSError, UnicodeError):
            pytest.skip("this file system has no such names")
        with refused(r"(a\\n\\x1b\[2Jpapergan: done|b\\udcff)\.png is not a whole PNG"):
            read(tmp_path)
        os.unlink(tmp_path / name)


def test_a_pipe_or_a_link_to_nothing_does_not_block(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    for make, name in ((os.mkfifo, "pipe.png"), (lambda path: os.symlink("nothing.png", path), "dangling.png")):
        make(tmp_path / name)
        with refused(rf"{name} is not a file, or is a broken link; remove it"):
            read(tmp_path)
        os.unlink(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.npy")
    with refused("pipe.npy must be a folder of images or a file"):
        read(tmp_path / "pipe.npy")


def test_a_link_to_itself_leads_nowhere(tmp_path):
    os.symlink("loop.png", tmp_path / "loop.png")
    with refused(r"loop\.png is not a file"):
        read(tmp_path)
    os.unlink(tmp_path / "loop.png")
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    os.symlink(".", tmp_path / "here")
    assert len(read(tmp_path)) == 1


@pytest.fixture
def deep_folder(tmp_path) -> Iterator[Path]:
    """1200 folders within each other; made and removed step by step, since a path that long is too long."""
    before = Path.cwd()
    os.chdir(tmp_path)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").write_bytes(encoded("PNG"))
    yield tmp_path
    os.unlink("a.png")
    for _ in range(1200):
        os.chdir("..")
        os.rmdir("d")
    os.chdir(before)


def test_folders_within_folders_without_end_are_read(deep_folder):
    assert len(read(deep_folder)) == 1


@pytest.mark.parametrize("linked", ["a.parquet", "a.png"])
def test_a_file_elsewhere_is_never_read_through_a_link(tmp_path, linked):
    outside = tmp_path / "secret"
    outside.write_bytes(pngs()[0])
    (tmp_path / "folder").mkdir()
    os.symlink(outside, tmp_path / "folder" / linked)
    with refused("1 symbolic links lead out of it"):
        read(tmp_path / "folder")
