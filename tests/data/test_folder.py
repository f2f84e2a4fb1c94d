"""A folder of anybody's image files: every one of them is read as it is, or the first that cannot be is named."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from helpers.parquet_files import pixels
from papergan.data import memory
from papergan.data.folder import read_images
from papergan.data.images import ImageSet
from papergan.data.preparation import resized
from papergan.errors import DataError


def read(path: Path, **options) -> ImageSet:
    return read_images(path, name="fake", **options)


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


def folder_of(folder: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    for index, image in enumerate(images):
        save(folder / f"{index:02}{suffix}", image)
    return folder


def channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def smooth(height: int, width: int) -> np.ndarray:
    """Colours that survive lossy formats: red downwards, green to the right."""
    red, green = np.meshgrid(np.linspace(0, 255, height), np.linspace(0, 255, width), indexing="ij")
    return np.stack([red, green, np.full_like(red, 128)], axis=2).astype(np.uint8)


# Formats


@pytest.mark.parametrize(("suffix", "options"), [(".png", {}), (".bmp", {}), (".webp", {"lossless": True})])
def test_lossless_formats_give_back_their_pixels(tmp_path, suffix, options):
    for index, image in enumerate(pixels()):
        save(tmp_path / f"{index}{suffix}", image, **options)
    images = read(tmp_path)
    assert torch.equal(images.images, channels_first(pixels()))
    assert (images.name, images.classes, images.labels.tolist()) == ("fake", (), [0] * 6)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_is_read_and_warned_of_once(tmp_path, caplog, suffix):
    save(tmp_path / f"a{suffix}", smooth(16, 16), format="JPEG", quality=95)
    save(tmp_path / f"b{suffix}", smooth(16, 16), format="JPEG", quality=95)
    save(tmp_path / "c.png", smooth(16, 16))
    with caplog.at_level(logging.WARNING):
        images = read(tmp_path).images.int()
    assert int((images[0] - images[2]).abs().max()) < 16
    assert [record.message for record in caplog.records if "2 of 3 images are JPEG" in record.message]
    assert len(caplog.records) == 1


def test_no_warning_without_jpeg(tmp_path, caplog):
    read(folder_of(tmp_path, pixels()))
    assert not caplog.records


# Which files, in which order, of which class


def test_order_is_that_of_relative_paths(tmp_path):
    for value, name in enumerate(["10.png", "2.png", "a/1.png", "a-b/0.png", "b.png"]):
        save(tmp_path / name, np.full((4, 4, 3), value, np.uint8))
    # "-" comes before "/": the order is of whole paths, not folder by folder.
    assert read(tmp_path).images[:, 0, 0, 0].tolist() == [0, 1, 3, 2, 4]


def test_subfolders_that_hold_every_image_are_the_classes(tmp_path):
    for name in ("cat/1.png", "ant/x/1.png", "ant/2.png"):
        save(tmp_path / name, pixels(1)[0])
    images = read(tmp_path)
    assert (images.classes, images.labels.tolist()) == (("ant", "cat"), [0, 0, 1])
    assert read(tmp_path, limit=1).classes == ("ant", "cat")


def test_some_of_a_folder_of_classes_are_of_every_class(tmp_path):
    for label in ("ant", "bee", "cat"):
        for number in range(30):
            save(tmp_path / label / f"{number:02}.png", pixels(1)[0])
    images = read(tmp_path, limit=30)
    assert images.labels.bincount(minlength=3).min() >= 5


@pytest.mark.parametrize("names", [("a/1.png", "b/1.png", "1.png"), ("a/1.png", "a/2.png"), ("a/b/1.png", "a/c/1.png")])
def test_anything_else_has_no_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name, pixels(1)[0])
    images = read(tmp_path)
    assert (images.classes, images.labels.tolist()) == ((), [0] * len(names))


def test_other_files_are_ignored_and_hidden_ones_silently(tmp_path, caplog):
    folder_of(tmp_path, pixels())
    for name in (".hidden.png", "Thumbs.db", ".git/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"none")
    with caplog.at_level(logging.INFO):
        assert len(read(tmp_path)) == 6
        assert not caplog.records
        (tmp_path / "notes.txt").write_text("none")
        assert len(read(tmp_path)) == 6
    assert "1 other files are ignored, for example notes.txt" in caplog.text


def test_links_that_leave_the_folder_are_not_followed(tmp_path, caplog):
    outside = folder_of(tmp_path / "outside", pixels())
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        (folder / "a.png").symlink_to(outside / "00.png")
        (folder / "all").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("symbolic links need a privilege here")
    with pytest.raises(DataError, match="holds no images.*2 symbolic links lead out of it and are not followed"):
        read(folder)
    save(folder / "b.png", pixels(1)[0])
    (folder / "c.png").symlink_to(folder / "b.png")
    assert len(read(folder)) == 2
    assert "2 symbolic links" in caplog.text


def test_folders_without_images_and_missing_paths_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(
        DataError, match=r"holds no images: looked at any depth for \.png, \.jpg, \.jpeg, \.bmp, \.webp"
    ):
        read(tmp_path)
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"notes\.txt must be a folder of images or a file of kind \.parquet, "):
        read(tmp_path / "notes.txt")


# Size, limit, mode


def test_limit_draws_from_all_and_says_so(tmp_path):
    folder_of(tmp_path, pixels())
    images, everything = read(tmp_path, limit=4), channels_first(pixels())
    places = [next(i for i, one in enumerate(everything) if torch.equal(one, image)) for image in images.images]
    assert places == sorted(set(places))
    assert places != [0, 1, 2, 3]
    assert images.name == "fake[4 of 6]"
    assert read(tmp_path, limit=6).name == "fake"


def test_size_resizes_by_the_rule_of_the_project(tmp_path):
    folder_of(tmp_path, pixels())
    images, original = read(tmp_path, size=5), read(tmp_path)
    assert torch.equal(images.images, resized(original, 5).images)
    assert images.name == "fake@5"
    assert read(tmp_path, size=8).name == "fake"
    assert read(tmp_path, size=16, limit=3).name == "fake[3 of 6]@16"


@pytest.mark.parametrize(("shape", "window"), [((8, 13), np.s_[:, 2:10]), ((13, 8), np.s_[2:10])])
def test_size_crops_the_centre(tmp_path, shape, window):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    save(tmp_path / "a.png", image)
    assert torch.equal(read(tmp_path, size=8).images, channels_first(image[window][None]))
    assert read(tmp_path, size=8).name == "fake@8"


def test_without_size_the_first_image_that_differs_is_named(tmp_path):
    folder_of(tmp_path, pixels())
    save(tmp_path / "03.png", pixels(1, 9)[0])
    with pytest.raises(DataError, match=r"03\.png is 9x9, expected 8x8 like the images before it; give size="):
        read(tmp_path)
    save(tmp_path / "00.png", smooth(8, 9))
    with pytest.raises(DataError, match=r"00\.png is 9x8, expected a square image; give size="):
        read(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"mode": "rgb"}, "RGB or L"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(DataError, match=f"fake: .*{message}"):
        read(folder_of(tmp_path, pixels()), **options)


GREY = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(GREY > 128), (GREY > 128) * 255),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (8, 8), 255)]), GREY),
    ],
    ids=["L", "1", "I;16", "LA"],
)
def test_grey_stays_grey_unless_colour_is_asked_for_or_there(tmp_path, image, wanted):
    save(tmp_path / "a.png", image)
    grey = read(tmp_path).images
    assert grey.shape == (1, 1, 8, 8)
    assert torch.equal(grey[0, 0], torch.from_numpy(np.asarray(wanted, np.uint8)))
    assert torch.equal(read(tmp_path, mode="RGB").images, grey.expand(-1, 3, -1, -1))
    save(tmp_path / "b.png", pixels(1)[0])
    save(tmp_path / "c.png", image)
    both = read(tmp_path).images
    assert torch.equal(both[0], grey[0].expand(3, -1, -1))
    assert torch.equal(both[1], channels_first(pixels(1))[0])


def test_colour_becomes_luma_where_grey_is_asked_for(tmp_path):
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0, 0] = image[0, 1, 1] = image[1, 0, 2] = 255
    save(tmp_path / "a.png", image)
    assert read(tmp_path, mode="L").images.flatten().tolist() == [76, 150, 29, 0]


# Transparency


def with_alpha(mode: str, alpha: int) -> Image.Image:
    image = Image.fromarray(pixels(1)[0]).convert("LA" if mode == "LA" else "RGBA")
    layer = Image.new("L", image.size, 255)
    layer.putpixel((3, 3), alpha)
    image.putalpha(layer)
    return image


def palette(transparent: int | None) -> tuple[Image.Image, dict]:
    image = Image.fromarray(pixels(1)[0]).quantize(16)
    return image, {} if transparent is None else {"transparency": image.getpixel((3, 3))}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_where_all_is_opaque_and_refused_elsewhere(tmp_path, mode):
    opaque = with_alpha(mode, 255)
    save(tmp_path / "a.png", opaque)
    images = read(tmp_path, mode="RGB").images
    assert torch.equal(images, channels_first(np.asarray(opaque.convert("RGB"))[None]))
    save(tmp_path / "b.png", with_alpha(mode, 254))
    with pytest.raises(DataError, match=r"b\.png is partly transparent; flatten it"):
        read(tmp_path)


def test_palettes_are_looked_up_under_the_same_rule(tmp_path):
    image, options = palette(None)
    save(tmp_path / "a.png", image, **options)
    assert torch.equal(read(tmp_path).images, channels_first(np.asarray(image.convert("RGB"))[None]))
    image, options = palette(3)
    save(tmp_path / "b.png", image, **options)
    with pytest.raises(DataError, match=r"b\.png is partly transparent"):
        read(tmp_path)


@pytest.mark.parametrize(("image", "key"), [(GREY, 4), (GREY.astype(np.uint16) * 257, 108 * 257), (pixels(1)[0], None)])
def test_a_colour_that_stands_for_transparent_is_refused(tmp_path, image, key):
    save(tmp_path / "a.png", image, transparency=tuple(image[3, 3].tolist()) if key is None else key)
    with pytest.raises(DataError, match=r"a\.png is partly transparent"):
        read(tmp_path)


# What is no image


def encoded(kind: str, image: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png() -> bytes:
    """A header that claims 9000 x 9000 pixels: above the reader's bound, below Pillow's."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"x")) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(image) for image in pixels(3)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "empty": (b"", "is not a whole PNG, JPEG, BMP or WebP image"),
    "text": (b"<html>404</html>", "is not a whole PNG"),
    "other format": (encoded("GIF", pixels(1)[0]), "is not a whole PNG"),
    "cut png": (encoded("PNG", pixels(1)[0])[:-40], "is not a whole PNG.*copy or download it again"),
    "cut jpeg": (encoded("JPEG", pixels(1)[0])[:-40], "is not a whole PNG.*copy or download it again"),
    "cut bmp": (encoded("BMP", pixels(1)[0])[:-40], "is not a whole PNG.*copy or download it again"),
    "cut webp": (encoded("WEBP", pixels(1)[0])[:-40], "is not a whole PNG.*copy or download it again"),
    "huge": (huge_png(), "is 9000x9000, more than 67108864 pixels"),
    "animated png": (animated("PNG"), "has more than one frame"),
    "animated webp": (animated("WEBP"), "has more than one frame"),
    "cmyk": (cmyk(), "has pixels of mode CMYK, expected one of .*; convert it to RGB"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_named_with_the_reason(tmp_path, kind):
    folder_of(tmp_path, pixels())
    content, reason = BAD[kind]
    (tmp_path / "03.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"03\.png {reason}") as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_first_of_several_damaged_files_is_named(tmp_path):
    folder_of(tmp_path, np.concatenate([pixels()] * 12))
    for index in (70, 40, 39):
        (tmp_path / f"{index}.png").write_bytes(encoded("PNG", pixels(1)[0])[:-40])
    with pytest.raises(DataError, match=r"39\.png is not a whole PNG"):
        read(tmp_path)


def test_a_claim_beyond_pillows_own_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"00\.png has more than 67108864 pixels"):
        read(folder_of(tmp_path, pixels()))


def test_pillow_may_not_be_told_to_let_damage_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="LOAD_TRUNCATED_IMAGES is on.*turn it off"):
        read(folder_of(tmp_path, pixels()))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_images_are_turned_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    save(tmp_path / f"a{suffix}", smooth(16, 16), exif=exif)
    upright = read(tmp_path).images[0].int()
    wanted = torch.from_numpy(np.rot90(smooth(16, 16), -1).copy()).permute(2, 0, 1).int()
    assert int((upright - wanted).abs().max()) < 32


# Memory


def test_more_than_memory_holds_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 6 * 3 * 8 * 8 - 1)
    folder_of(tmp_path, pixels())
    (tmp_path / "05.png").write_bytes(encoded("PNG", pixels(1)[0])[:-40])  # not reached
    message = r"fake, 6 images of 8x8, needs 0\.0 GB of memory, 0\.0 GB are available; .*limit= .*size="
    with pytest.raises(DataError, match=message):
        read(tmp_path)
    folder_of(tmp_path, pixels())
    assert len(read(tmp_path, limit=5)) == 5


@pytest.mark.skipif(memory.available_bytes() is None, reason="the system does not tell")
def test_a_size_beyond_all_memory_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"needs 18000000\d+\.\d GB of memory"):
        read(folder_of(tmp_path, pixels()), size=10**9)


def test_available_memory_is_known_or_not_checked(tmp_path, monkeypatch):
    known = memory.available_bytes()
    assert known is None or known > 2**20
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert (known is None) == (memory.available_bytes() is None)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check_memory("all", 2**62)
