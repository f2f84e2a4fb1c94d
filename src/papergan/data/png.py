"""Integrity of PNG files: Pillow compares no checksum of pixel chunks and accepts a file without its end."""

from __future__ import annotations

import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a chunk besides its body: length, kind, checksum


def damage_of_png(content: bytes, *, trailing: bool = False) -> str | None:
    """The damage of a PNG file, or None: its signature, chunks, checksums and end are checked.

    Every chunk's CRC-32 is compared, which covers its kind and its body (PNG specification, 5.3 and 5.5);
    pixels decoded from a file with one flipped bit are therefore never others than those that were stored.
    trailing: bytes may follow the last chunk, as many programs leave them there; no decoder looks at them.
    """
    if not content.startswith(_SIGNATURE):
        return "it does not begin like one"
    view = memoryview(content)
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + _AROUND + length
        if end > len(view):
            return f"it ends within the chunk at byte {place}"
        kind = bytes(view[place + 4 : place + 8])
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return f"the chunk at byte {place} is damaged"
        place = end
    return None if trailing or place == len(view) else f"{len(view) - place} bytes follow its end"
