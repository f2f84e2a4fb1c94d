"""Checks that a file or an array fits into the available memory, before it is read or allocated."""

from __future__ import annotations

import os
from pathlib import Path

from papergan.atomic_files import read_regular
from papergan.errors import DataError, MemoryShortError

_MEMINFO = Path("/proc/meminfo")
LARGE_FILE = 2**26  # bytes; smaller files are read without checking for room


FEWER = "read fewer images with limit= or smaller ones with size="


def check_memory(what: str, needed_bytes: int, instead: str = FEWER) -> None:
    """Raise DataError if `what` needs more memory than is available; pass if that cannot be known.

    instead: what to do in that case, in words.
    """
    available = available_bytes()
    if available is not None and needed_bytes > available:
        raise DataError(
            f"{what} needs {needed_bytes / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are available; {instead}"
        )


def available_bytes() -> int | None:
    """On Linux the memory available without swapping; elsewhere the total memory, or None if that is unknown."""
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf, other systems lack these names
        return None


def read_into_memory(path: Path) -> bytes:
    """Read all of a regular file that fits into the available memory.

    Raises MemoryShortError if it does not fit, and whatever `read_regular` raises.
    """
    size = path.stat().st_size
    available = available_bytes() if size > LARGE_FILE else None
    if available is not None and size > available:
        raise MemoryShortError(
            f"{path} has {size / 1e9:.1f} GB, {available / 1e9:.1f} GB of memory are available; end other programs, "
            "or remove the file where it should not be as large"
        )
    return read_regular(path, most=size)
