"""How the tests of hostile files check a refusal (one line, at no great cost), and the pictures they share."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image

from helpers.parquet_files import pixels
from papergan.data.folder import read_images
from papergan.errors import DataError, EvaluationError

resource = pytest.importorskip("resource", reason="nobody tells how much memory was used")
MEBIBYTE = 2**20
WARNINGS = pytest.mark.filterwarnings(  # what libraries say on their way to an error
    "ignore:overflow encountered:RuntimeWarning", "ignore::UserWarning:torch"
)


def peak() -> int:
    """Bytes of memory that this process has had at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Let `peak` tell of what comes: on Linux the most so far becomes the present memory; other systems keep it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def read(path: Path, **options: object):
    return read_images(path, name="fake", **options)


@contextmanager
def refused(reason: str, *, most: int = 64 * MEBIBYTE) -> Iterator[None]:
    """The block ends in one of our errors, on one line; the process grows by no more than `most` bytes."""
    forget_peak()
    before = peak()
    with pytest.raises((DataError, EvaluationError), match=reason) as caught:
        yield
    assert str(caught.value).isprintable()
    assert peak() - before < most


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encoded(kind: str, size: int = 8, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(1, size)[0]).save(buffer, kind, **options)
    return buffer.getvalue()


def forged_png(width: int, height: int) -> bytes:
    content = encoded("PNG")
    return content[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + content[24:29]) + content[33:]
