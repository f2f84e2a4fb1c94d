"""Pictures that are written and looked at, never read back; whether one is whole can be known all the same."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Generic, NewType, TypeVar

from papergan.errors import EvaluationError
from papergan.io.whole_file import WholeFileDataset

T = TypeVar("T")
ImagePreview = NewType("ImagePreview", str)  # Kedro-Viz goes by this name
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a chunk besides its body: length, kind, checksum


class PngDataset(WholeFileDataset[T], Generic[T]):
    """A picture as PNG, which exists where every chunk of it is whole. It cannot be loaded again."""

    def _check(self, content: bytes, path: Path) -> None:
        damage = damage_of_png(content)
        if damage is not None:
            raise EvaluationError(f"{path} is no whole PNG: {damage}; draw it again")

    def preview(self) -> ImagePreview:
        """For Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.path.read_bytes()).decode())


def damage_of_png(content: bytes) -> str | None:
    """What is wrong with a PNG file, or None: its signature, its chunks and their checksums, its end.

    Pillow's `verify` does not notice where the last bytes are missing.
    """
    if not content.startswith(_SIGNATURE):
        return "it does not begin like one"
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(content[place : place + 4], "big")
        end = place + _AROUND + length
        if end > len(content):
            return f"it ends within the chunk at byte {place}"
        kind, body = content[place + 4 : place + 8], memoryview(content)[place + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(content[end - 4 : end], "big"):
            return f"the chunk at byte {place} is damaged"
        place = end
    return None if place == len(content) else f"{len(content) - place} bytes follow its end"
