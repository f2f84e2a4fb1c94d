"""What may lie where a file should and is none, and what notices that somebody waits for it or reads on for ever."""

from __future__ import annotations

import faulthandler
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MORE = 2 << 30  # bytes of address space beyond what is in use

_SECONDS = 30
quickly = pytest.mark.timeout(_SECONDS, method="signal")  # whoever waits at a pipe is called away


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_pipe(path: Path) -> None:
    target = path.with_name(f"{path.name}.pipe")
    _pipe(target)
    path.symlink_to(target)


def _link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


KINDS = {"pipe": _pipe, "link to a pipe": _link_to_pipe, "link to zeros": _link_to_zeros, "folder": _folder}


def put(kind: str, path: Path) -> None:
    """Something that is no file in the place of `path`."""
    path.unlink(missing_ok=True)
    KINDS[kind](path)


@contextmanager
def bounded() -> Iterator[None]:
    """Reading a device without end ends with MemoryError instead of with the machine. Where a library waits at a pipe
    with Python's lock in its hands, which no signal reaches, the process ends a little later.
    """
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE, before[1]))
    faulthandler.dump_traceback_later(_SECONDS + 5, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, before)
