"""Emoji from a font, and from a user's folder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
from PIL import Image

from papergan.data.declarations import parse_declaration, parse_declarations
from papergan.data.drawn import emoji as module
from papergan.data.drawn.emoji import FONT, emoji_splits, find_font
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.errors import DataError

FIRST = 0x1F600


def bitmap(colour: tuple[int, int, int], width: int = 6, height: int = 4) -> bytes:
    """An ellipse's worth of colour on nothing."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[1:-1, 1:-1] = (*colour, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def a_font(path: Path, bitmaps: dict[int, bytes], *, colour: bool = True) -> Path:
    """A font as Noto's is built, with these bitmaps by code point."""
    names = {code: f"u{code:X}" for code in bitmaps}
    builder = FontBuilder(1024, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf({})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1024, 0)))
    builder.setupHorizontalHeader()
    builder.setupPost()
    font = builder.font
    del font["glyf"], font["loca"]
    if colour:
        _add_bitmaps(font, {names[code]: png for code, png in bitmaps.items()})
    font.save(path)
    return path


def _add_bitmaps(font, by_glyph):
    from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
    from fontTools.ttLib.tables.E_B_L_C_ import BitmapSizeTable, SbitLineMetrics, Strike, eblc_index_sub_table_1

    data, places = newTable("CBDT"), newTable("CBLC")
    data.version = places.version = 3.0
    glyphs = {}
    for name, png in by_glyph.items():
        glyph = glyphs[name] = cbdt_bitmap_format_17(b"", font)
        glyph.data, glyph.imageData, glyph.metrics = b"", png, SmallGlyphMetrics()
        for field in ("height", "width", "BearingX", "BearingY", "Advance"):
            setattr(glyph.metrics, field, 4)
    data.strikeData = [glyphs]
    table = eblc_index_sub_table_1(b"", font)
    table.names, table.indexFormat, table.imageFormat, table.locations = list(by_glyph), 1, 17, []
    table.firstGlyphIndex, table.lastGlyphIndex, table.imageDataOffset = 1, len(by_glyph), 4
    strike = Strike()
    size = strike.bitmapSizeTable = BitmapSizeTable()
    size.colorRef, size.flags, size.bitDepth, size.ppemX, size.ppemY = 0, 1, 32, 109, 109
    size.startGlyphIndex, size.endGlyphIndex = 1, len(by_glyph)
    for side in ("hori", "vert"):
        line = SbitLineMetrics()
        for field in (
            "ascender", "descender", "widthMax", "caretSlopeNumerator", "caretSlopeDenominator", "caretOffset",
            "minOriginSB", "minAdvanceSB", "maxBeforeBL", "minAfterBL", "pad1", "pad2",
        ):  # fmt: skip
            setattr(line, field, 0)
        setattr(size, side, line)
    strike.indexSubTables = [table]
    places.strikes = [strike]
    font["CBDT"], font["CBLC"] = data, places


@pytest.fixture
def font(tmp_path) -> Path:
    return a_font(tmp_path / FONT, {FIRST + i: bitmap((20 * i, 0, 200)) for i in range(10)})


def test_emoji_are_the_fonts_bitmaps_on_white(tmp_path):
    path = a_font(tmp_path / FONT, {FIRST: bitmap((255, 0, 0)), FIRST + 1: bitmap((0, 255, 0))})
    splits = emoji_splits("emoji_noto", train=1, test=1, size=6, seed=0, font=path)
    both = torch.cat([splits.train.images, splits.test.images])
    assert splits.train.name == "emoji_noto/train"
    assert splits.train.classes == ()
    assert both[:, :, 0].min() == 255  # the square is filled up above and below, on white
    assert sorted(image[:, 2, 2].tolist() for image in both) == [[0, 255, 0], [255, 0, 0]]


def test_which_ones_is_a_matter_of_the_seed_and_no_emoji_is_in_both_splits(font):
    one, again, other = (
        emoji_splits("noto", train=6, test=3, size=4, seed=seed, font=font).train.digest for seed in (0, 0, 1)
    )
    assert one == again != other
    splits = emoji_splits("noto", train=6, test=4, size=4, seed=0, font=font)
    every = torch.cat([splits.train.images, splits.test.images]).flatten(1)
    assert len(every.unique(dim=0)) == 10


def test_parts_letters_and_bitmaps_that_are_there_twice_do_not_count(tmp_path):
    codes = [FIRST, FIRST + 1, 0x1F1E6, 0x1F3FB, ord("7"), 0x1F9B0]
    bitmaps = {code: bitmap((10 + i, 0, 0)) for i, code in enumerate(codes)} | {FIRST + 2: bitmap((10, 0, 0))}
    path = a_font(tmp_path / FONT, bitmaps)
    with pytest.raises(DataError, match="draws 2 emoji, 3 are asked for; declare fewer"):
        emoji_splits("noto", train=2, test=1, size=4, seed=0, font=path)


def test_a_font_without_colour_bitmaps_and_a_file_that_is_no_font(tmp_path):
    plain = a_font(tmp_path / "plain.ttf", {FIRST: b""}, colour=False)
    with pytest.raises(DataError, match=r"plain\.ttf has no colour bitmaps"):
        emoji_splits("noto", train=1, test=1, size=4, seed=0, font=plain)
    (tmp_path / "text.ttf").write_text("no font")
    with pytest.raises(DataError, match=r"text\.ttf is not a font that can be read"):
        emoji_splits("noto", train=1, test=1, size=4, seed=0, font=tmp_path / "text.ttf")


def test_without_a_font_the_line_says_what_to_install_and_where_to_put_images(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module.Path, "home", lambda: tmp_path)
    with pytest.raises(
        DataError, match=r"install fonts-noto-color-emoji .* or put images into positive/ and negative/"
    ):
        find_font("emoji_noto")
    (tmp_path / "share/fonts/noto").mkdir(parents=True)
    (tmp_path / "share/fonts/noto" / FONT).touch()
    assert find_font("emoji_noto") == tmp_path / "share/fonts/noto" / FONT


def test_a_font_is_declared_under_a_name_that_says_so(font, tmp_path):
    with pytest.raises(DataError, match="emoji of a font must be named as such, for example 'noto_emoji'"):
        parse_declaration("emoji", {"kind": "emoji_font", "train": 1, "test": 1})
    entry = {"kind": "emoji_font", "train": 4, "test": 2, "size": 8, "font": str(font)}
    library = ImageLibrary.declared({"emoji_noto": entry}, Sources(tmp_path), tmp_path / "decoded")
    assert library.load("emoji_noto").train.images.shape == (4, 3, 8, 8)
    assert library.declarations["emoji_noto"].spec.size == 8


FOLDER = {
    "kind": "folder", "folder": "emoji", "mode": "RGB", "size": 4, "background": "white",
    "classes": ["positive", "negative"], "held_out": 4,
}  # fmt: skip


def a_folder(folder: Path, classes=("positive", "negative"), each: int = 6) -> ImageLibrary:
    for label, name in enumerate(classes):
        (folder / "emoji" / name).mkdir(parents=True)
        for i in range(each):
            (folder / "emoji" / name / f"{i}.png").write_bytes(bitmap((20 * i, 100 * label, 0), 6, 6))
    return ImageLibrary(parse_declarations({"emoji": FOLDER}), Sources(folder), folder / "decoded")


def test_a_users_emoji_are_flattened_on_white_and_some_are_held_out_of_each_class(tmp_path):
    splits = a_folder(tmp_path).load("emoji")
    assert (splits.train.name, splits.test.name) == ("emoji/train", "emoji/test")
    assert (splits.train.labels.bincount().tolist(), splits.test.labels.bincount().tolist()) == ([4, 4], [2, 2])
    assert splits.train.classes == ("negative", "positive")
    assert not set(splits.train.origin.tolist()) & set(splits.test.origin.tolist())
    assert splits.train.images[:, :, 0, 0].min() > 200  # a corner, transparent before


@pytest.mark.parametrize(
    ("classes", "each", "fault"),
    [
        (("positive", "neutral"), 3, "must hold its images in negative/, positive/ and nowhere else"),
        (("positive", "negative"), 2, "holds 4 images, of which 4 are to be held out"),
    ],
)
def test_a_folder_that_does_not_fit(tmp_path, classes, each, fault):
    with pytest.raises(DataError, match=fault):
        a_folder(tmp_path, classes, each).load("emoji")


def test_no_folder_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_DATA", str(tmp_path / "elsewhere"))
    library = ImageLibrary(parse_declarations({"emoji": FOLDER}), Sources(tmp_path), tmp_path / "decoded")
    with pytest.raises(
        DataError, match=r"emoji: there is no folder .*/emoji, .*/elsewhere/emoji; make one, or set PAPER"
    ):
        library.load("emoji")
