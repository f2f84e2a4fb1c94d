"""Sampling to disk: PNG files, one .npz, or a grid; interrupted sampling continues where it stopped."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from papergan.atomic_files import check_room, open_regular, read_regular, storage_errors, write_whole
from papergan.errors import RecipeError, StorageError
from papergan.inference.generator import Generator
from papergan.inference.labels import check_count
from papergan.inference.samples import Samples, check_empty, check_no_folder
from papergan.inference.unfinished_archive import RowFormat, UnfinishedArchive
from papergan.messages import quoted

REQUEST = "request.json"  # next to the samples: the request that they belong to
FORMATS = ("png", "npz", "grid")
BLOCK = 4096  # bytes that the smallest file takes on most disks
MOST_IN_A_GRID = 10_000
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True)
class Request:
    """What to sample. labels: classes by name or number, taken in turn; () = as the prior draws them."""

    n: int
    seed: int = 0
    labels: tuple[str | int, ...] = ()
    truncation: float | None = None
    format: str = "png"

    def __post_init__(self) -> None:
        check_count(self.n)
        if self.format not in FORMATS:
            raise RecipeError(f"expected format {', '.join(FORMATS)}, got {quoted(self.format)}")


def sample_to_disk(
    generator: Generator,
    request: Request,
    out: Path,
    *,
    batch_size: int = 256,
    should_stop: Callable[[], bool] = lambda: False,
    advance: Callable[[int], object] = lambda count: None,
) -> Path | None:
    """Write the samples of a request; returns the folder or file, None if it was stopped before the end.

    out: for "png" a folder that is new, empty, or left by the same interrupted request; else a file.
    advance: called with the number of samples added, including those of an earlier call.
    Raises StorageError if `out` holds something else or the disk has no room, RecipeError as `Generator.stream`.
    """
    write = {"png": _write_pngs, "npz": _write_npz, "grid": _write_grid}[request.format]
    return write(generator, request, out, batch_size, should_stop, advance)


def _write_pngs(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    _stream(generator, request, batch_size, 0)  # reject an invalid request before anything is written
    with storage_errors(out):
        if (out / REQUEST).exists():
            _check_request(generator, request, out, "name another folder")
        else:
            check_empty(out)
        done = _count_pngs(out, request.n)
    each = max(BLOCK, generator.image.channels * generator.image.size**2 + 256)
    check_room(out / "000000.png", (request.n - done) * each, f"{request.n} images")
    _note_request(generator, request, out)
    advance(done)
    written: Future[list[Path]] | None = None
    with ThreadPoolExecutor(1) as writer:  # encodes and writes one batch while the next one is generated
        for part in _stream(generator, request, batch_size, done) if done < request.n else ():
            if written is not None:
                advance(len(written.result()))
            if should_stop():
                return None
            written = writer.submit(part.write, out)
        if written is not None:
            advance(len(written.result()))
    return out


def _count_pngs(out: Path, most: int) -> int:
    """The number of whole samples without a gap that an earlier call wrote, at most `most`."""
    named = {int(found.group()): file for file in out.glob("*.png") if (found := re.match(r"[0-9]+", file.name))}
    return next((index for index in range(most) if index not in named or not _has_end(named[index])), most)


def _has_end(file: Path) -> bool:
    """Whether a PNG has its last chunk; after a loss of power, one that was not synced may be empty or cut off."""
    with open_regular(file) as png:
        png.seek(max(0, os.fstat(png.fileno()).st_size - len(PNG_END)))
        return png.read() == PNG_END


def _settings(generator: Generator, request: Request) -> dict[str, Any]:
    return {"model": generator.digest, **asdict(request), "labels": list(request.labels)}


def _check_request(generator: Generator, request: Request, folder: Path, advice: str) -> None:
    """Raise StorageError if a folder holds samples of a request that differs in more than their number."""
    wanted, path = _settings(generator, request), folder / REQUEST
    with storage_errors(path):
        try:
            there: dict[str, Any] = dict(json.loads(read_regular(path)))
        except (ValueError, TypeError):
            there = {}
    differing = sorted(name for name in wanted if there.get(name) != wanted[name] and name != "n")
    if differing:
        raise StorageError(f"{folder} holds samples of another request (other {', '.join(differing)}); {advice}")


def _note_request(generator: Generator, request: Request, folder: Path) -> None:
    if not (folder / REQUEST).exists():
        write_whole(folder / REQUEST, json.dumps(_settings(generator, request), indent=1).encode())


def _write_npz(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    """One archive: `images` uint8 [N, H, W, C], and `labels` int64 [N] if there are classes."""
    _stream(generator, request, batch_size, 0)  # reject an invalid request before anything is written
    check_no_folder(out)
    archive = UnfinishedArchive(out, _rows(generator))
    with archive.locked():
        if (archive.folder / REQUEST).exists():
            _check_request(generator, request, archive.folder, "name another file, or remove that folder")
        done = min(archive.count(), request.n)
        check_room(out, (2 * request.n - done) * archive.row_bytes, f"{request.n} images")  # rows and archive
        _note_request(generator, request, archive.folder)
        advance(done)
        for part in _stream(generator, request, batch_size, done) if done < request.n else ():
            if should_stop():
                return None
            arrays = {"images": part.images} | ({} if part.labels is None else {"labels": part.labels.numpy()})
            done = archive.append(arrays, done)
            advance(len(part))
        return archive.finish(request.n)


def _rows(generator: Generator) -> dict[str, RowFormat]:
    image = generator.image
    rows: dict[str, RowFormat] = {"images": (np.dtype(np.uint8), (image.size, image.size, image.channels))}
    return rows | ({"labels": (np.dtype(np.int64), ())} if generator.conditional else {})


def _write_grid(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    if request.n > MOST_IN_A_GRID:
        raise RecipeError(f"a grid of {request.n} images is too large; take at most {MOST_IN_A_GRID}")
    check_no_folder(out)
    parts = []
    for part in _stream(generator, request, batch_size, 0):
        if should_stop():
            return None
        parts.append(part)
        advance(len(part))
    return Samples.join(parts).grid().save(out)


def _stream(generator: Generator, request: Request, batch_size: int, first: int) -> Any:
    return generator.stream(
        request.n - first, seed=request.seed, labels=list(request.labels) or None, truncation=request.truncation,
        batch_size=batch_size, first=first,
    )  # fmt: skip
