"""Emoji rendered from an installed colour font, for lack of an emoji data set; named after the font wherever shown.

Selection: every single code point that the font draws and Unicode classifies as a symbol, except regional indicators,
skin tones and pieces of hair, so that no two differ by such a part alone; identical bitmaps count once. `seed` decides
their order; the first are for training, the next for testing. There are no classes. Which code points are symbols is a
matter of Python's version of Unicode, so that another Python may draw other emoji and other splits: the digest differs.
Rendering: the font's own bitmap on white, centred in a square, resized like any other image.
"""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from papergan.atomic_files import check_regular
from papergan.data.decoding import damage_of_png
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.preparation import resized_pixels
from papergan.errors import DataError

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

logger = logging.getLogger(__name__)

FONT = "NotoColorEmoji.ttf"
PACKAGE = "fonts-noto-color-emoji (Debian, Ubuntu), google-noto-color-emoji-fonts (Fedora), noto-fonts-emoji (Arch)"
PARTS = (*range(0x1F1E6, 0x1F200), *range(0x1F9B0, 0x1F9B4))  # regional indicators, hair


def emoji_splits(name: str, *, train: int, test: int, size: int, seed: int, font: Path | None = None) -> ImageSplits:
    """RGB images, `size` pixels square. font: the file; None = search the system's font folders.

    Raises DataError if no font is found, or if it holds no bitmaps, a damaged one, or fewer emoji than required.
    """
    path = font or find_font(name)
    bitmaps = list(_bitmaps(path))
    if len(bitmaps) < train + test:
        raise DataError(f"{name}: {path} draws {len(bitmaps)} emoji, {train + test} are asked for; declare fewer")
    order = torch.randperm(len(bitmaps), generator=torch.Generator().manual_seed(seed)).tolist()
    logger.info("%s: %d of the %d emoji of %s, drawn with seed %d", name, train + test, len(bitmaps), path, seed)
    parts = {"train": sorted(order[:train]), "test": sorted(order[train : train + test])}
    sets = {split: _rendered(f"{name}/{split}", [bitmaps[i] for i in chosen], size) for split, chosen in parts.items()}
    return ImageSplits(sets["train"], sets["test"])


def find_font(name: str) -> Path:
    """The colour font, below one of the folders that freedesktop.org names. Raises DataError if there is none."""
    home = Path.home()
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    data = [os.environ.get("XDG_DATA_HOME") or str(home / ".local/share"), *shared.split(":")]
    folders = [home / ".fonts", *(Path(folder) / "fonts" for folder in data)]
    found = next((path for folder in folders for path in sorted(folder.rglob(FONT))), None)
    if found is None:
        raise DataError(
            f"{name}: there is no {FONT} below {', '.join(map(str, folders))}; install {PACKAGE}, or put images into "
            "positive/ and negative/ below emoji/ in data/01_raw or in PAPERGAN_DATA"
        )
    return found


def _bitmaps(path: Path) -> Iterator[bytes]:
    """Yield PNG files, in the order of their code points."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        check_regular(path)
        with TTFont(path, lazy=True) as font:
            yield from dict.fromkeys(_drawn(font, path))
    except (OSError, TTLibError) as error:
        raise DataError(f"{path} is not a font that can be read ({error})") from error


def _drawn(font: TTFont, path: Path) -> Iterator[bytes]:
    if "CBDT" not in font:
        raise DataError(f"{path} has no colour bitmaps (table CBDT); use a {FONT} that has, from {PACKAGE}")
    glyphs = font["CBDT"].strikeData[0]
    for code, glyph in sorted(font.getBestCmap().items()):
        if unicodedata.category(chr(code)) == "So" and code not in PARTS and glyph in glyphs:
            bitmap = bytes(glyphs[glyph].imageData)
            if (damage := damage_of_png(bitmap, trailing=True)) is not None:
                raise DataError(f"{path} is damaged: U+{code:X} is not a whole PNG image ({damage}); install it again")
            yield bitmap


def _rendered(name: str, bitmaps: list[bytes], size: int) -> ImageSet:
    images = torch.stack([_on_white(bitmap, size) for bitmap in bitmaps])
    return ImageSet(name, images, torch.zeros(len(images), dtype=torch.int64))


def _on_white(bitmap: bytes, size: int) -> torch.Tensor:
    """uint8 [3, size, size]."""
    from PIL import Image

    with Image.open(io.BytesIO(bitmap), formats=("PNG",)) as stored:
        drawn = stored.convert("RGBA")
    side = max(drawn.size)
    square = Image.new("RGBA", (side, side), "white")
    square.alpha_composite(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
    pixels = torch.from_numpy(np.array(square.convert("RGB"))).permute(2, 0, 1)
    return resized_pixels(pixels[None], size)[0]
