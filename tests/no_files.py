"""What may lie where a file should and is none, and what notices that somebody waits for it or reads on for ever."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_MORE = 2 << 30  # bytes of address space beyond what is in use

_SECONDS = 30
quickly = pytest.mark.timeout(_SECONDS, method="signal")  # whoever waits at a pipe is called away


def _pipe(path: Path) -> None:
    """With somebody who lets those go, a little later, whom no signal reaches, since they wait inside a library."""
    os.mkfifo(path)

    def let_go() -> None:
        with suppress(OSError):  # nobody waits, or the pipe is gone
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    timer = threading.Timer(_SECONDS + 3, let_go)
    timer.daemon = True
    timer.start()


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
def little_memory() -> Iterator[None]:
    """Reading a device without end ends with MemoryError instead of with the machine."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
