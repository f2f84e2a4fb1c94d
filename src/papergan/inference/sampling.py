"""Sampling to disk: PNG files, one .npz, or a grid; what is interrupted goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from papergan.atomic_files import check_room, read_regular, storage_errors, write_whole
from papergan.data.memory import check_memory
from papergan.errors import RecipeError, StorageError
from papergan.inference.generator import Generator, check_count
from papergan.inference.samples import Samples, check_empty
from papergan.messages import quoted

REQUEST = "request.json"  # beside the samples: what they are samples of
FORMATS = ("png", "npz", "grid")
BLOCK = 4096  # bytes that the smallest file takes on most disks
MOST_IN_A_GRID = 10_000


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
    """Write the samples of a request; returns the folder or file, None where it was stopped before the end.

    out: a folder for "png", which is new, empty, or of the same request that was interrupted; else a file.
    advance: called with the number of samples that were added, the ones of an earlier call among them.
    Raises StorageError where `out` holds something else or the disk has no room, RecipeError as `Generator.stream`.
    """
    write = {"png": _write_pngs, "npz": _write_npz, "grid": _write_grid}[request.format]
    return write(generator, request, out, batch_size, should_stop, advance)


def _write_pngs(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    done = _done(generator, request, out)
    each = max(BLOCK, generator.image.channels * generator.image.size**2 + 256)
    check_room(out / "000000.png", (request.n - done) * each, f"{request.n} images")
    advance(done)
    for part in _stream(generator, request, batch_size, done) if done < request.n else ():
        if should_stop():
            return None
        part.write(out)
        advance(len(part))
    return out


def _done(generator: Generator, request: Request, out: Path) -> int:
    """The number of samples that an earlier call wrote; the folder is claimed for this request."""
    settings = {"model": generator.digest, **asdict(request), "labels": list(request.labels)}
    path = out / REQUEST
    if not path.exists():
        check_empty(out)
        write_whole(path, json.dumps(settings, indent=1).encode())
        return 0
    with storage_errors(path):
        try:
            there: dict[str, Any] = dict(json.loads(read_regular(path)))
        except (ValueError, TypeError):
            there = {}
    differing = sorted(name for name in settings if there.get(name) != settings[name])
    if [name for name in differing if name != "n"]:
        raise StorageError(
            f"{out} holds samples of another request (other {', '.join(differing)}); name another folder"
        )
    numbers = {int(found.group()) for file in out.glob("*.png") if (found := re.match(r"[0-9]+", file.name))}
    return next((index for index in range(request.n) if index not in numbers), request.n)


def _write_npz(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    """One archive: `images` uint8 [N, H, W, C], and `labels` int64 [N] where there are classes."""
    size = request.n * generator.image.channels * generator.image.size**2
    check_memory(f"{request.n} images", 2 * size, "take fewer, or --format png")
    check_room(out, size, f"{request.n} images")
    parts = _collected(generator, request, batch_size, should_stop, advance)
    if parts is None:
        return None
    arrays = {"images": np.concatenate([images for images, _ in parts])}
    if generator.conditional:
        arrays["labels"] = np.concatenate([labels for _, labels in parts if labels is not None])
    write_whole(out, lambda file: np.savez(file, allow_pickle=False, **arrays))
    return out


def _collected(
    generator: Generator, request: Request, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]] | None:  # fmt: skip
    parts = []
    for part in _stream(generator, request, batch_size, 0):
        if should_stop():
            return None
        parts.append((part.images, None if part.labels is None else part.labels.numpy()))
        advance(len(part))
    return parts


def _write_grid(
    generator: Generator, request: Request, out: Path, batch_size: int, should_stop: Callable[[], bool],
    advance: Callable[[int], object],
) -> Path | None:  # fmt: skip
    if request.n > MOST_IN_A_GRID:
        raise RecipeError(f"a grid of {request.n} images is too large; take at most {MOST_IN_A_GRID}")
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
