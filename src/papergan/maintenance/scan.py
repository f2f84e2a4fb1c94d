"""Reading the disk: files that may be removed, found without following links, and experiments in use."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Container, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from papergan import file_locks
from papergan.errors import PaperganError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from papergan.tracking.configuration import MlflowConfiguration

PRIMARY, MODELS, REPORTING = "03_primary", "06_models", "08_reporting"
STORE, CACHE = "store", "rulers"  # shared by all experiments: images below PRIMARY, features below MODELS
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # as Kedro names them, so that names sort by time
MODEL_FILES = {"model.safetensors", "config.json", "README.md", "samples.png"}  # of a model folder
TRAINED, RUNNING = "is being trained", "is being run"  # why an experiment is left alone; the latter is the stronger
YOUNG_SECONDS = 3600.0  # a younger file may still be in use by the process that wrote it


@dataclass(frozen=True)
class Piece:
    """A file to be removed, or a folder that is empty by then. changed: nanoseconds; 0 for a folder, like its size."""

    path: Path
    bytes: int
    inode: int
    changed: int

    @classmethod
    def at(cls, path: Path) -> Piece:
        """The present state of a path. Raises OSError if it is missing, is a device, or is reached through a link."""
        about = path.lstat()
        if path.parent.resolve() != path.parent or not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise OSError("is reached through a link, or is not a file")
        is_folder = stat.S_ISDIR(about.st_mode)
        return cls(path, 0 if is_folder else about.st_size, about.st_ino, 0 if is_folder else about.st_mtime_ns)


@dataclass(frozen=True)
class Removal:
    """One thing to remove. reason: in the plural. pieces: removed in this order. lock: held during the removal."""

    reason: str
    pieces: tuple[Piece, ...]
    lock: Path | None = None

    @property
    def bytes(self) -> int:
        """The total size of its files."""
        return sum(piece.bytes for piece in self.pieces)


class Disk:
    """Reads folders. What cannot be read is left alone and named in `errors`, one line each.

    now: seconds since the epoch; None = the present.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        self.errors: list[str] = []

    def files(self, folder: Path, name: re.Pattern[str]) -> list[Path]:
        """Files directly in `folder` whose name matches, in order; no links."""
        return [Path(e) for e in self._entries(folder) if name.fullmatch(e.name) and e.is_file(follow_symlinks=False)]

    def folders(self, folder: Path, name: re.Pattern[str] | None = None) -> list[Path]:
        """Folders directly in `folder`, in order; no links."""
        entries = (entry for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False))
        return [Path(entry) for entry in entries if name is None or name.fullmatch(entry.name)]

    def names(self, folder: Path) -> list[str]:
        """Names of everything directly in `folder`, in order."""
        return [entry.name for entry in self._entries(folder)]

    def below(self, folder: Path, name: re.Pattern[str], skipped: Container[str]) -> Iterator[Path]:
        """Files at any depth whose name matches, except in folders with a name in `skipped`; no links."""
        yield from self.files(folder, name)
        for inner in self.folders(folder):
            if inner.name not in skipped:
                yield from self.below(inner, name, skipped)

    def pieces(self, version: Path, name: str) -> list[Path]:
        """The file that a version holds, or the model folder with its files; none if it holds more."""
        if files := self.files(version, re.compile(re.escape(name))):
            return files
        inner = version / name
        parts = [inner / part for part in self.names(inner)]
        return [*parts, inner] if parts and {part.name for part in parts} <= MODEL_FILES else []

    def is_old(self, path: Path) -> bool:
        """Whether it was last written more than an hour ago. A file that is gone is not old."""
        try:
            return self.now - path.lstat().st_mtime > YOUNG_SECONDS
        except OSError:
            return False

    def removal(self, reason: str, *paths: Path, lock: Path | None = None) -> Iterator[Removal]:
        """One removal of these paths in this order; none if there are no paths, or one of them is gone by now."""
        try:
            pieces = tuple(Piece.at(path) for path in paths)
        except FileNotFoundError:
            return
        except OSError as error:
            self.errors.append(f"{paths[0]}: {error.strerror or error}")
            return
        if pieces:
            yield Removal(reason, pieces, lock)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            if folder.resolve() != folder:  # there is a link on the way
                return []
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.errors.append(f"{folder}: {error.strerror or error}; left alone")
            return []


def listed(folder: Path) -> list[Path]:
    """Everything in `folder`, in order, following links: for read-only use. Empty if there is no such folder.

    Raises OSError if it may not be read.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove(removals: Iterable[Removal]) -> tuple[list[Removal], list[str]]:
    """Remove these. Returns what was removed, and a line for each that was not: it has changed or is in use.

    A process killed in between leaves whole files, or pieces that the next plan includes again.
    """
    done: list[Removal] = []
    errors: list[str] = []
    for removal in removals:
        gone: list[Piece] = []
        try:
            with nullcontext() if removal.lock is None else file_locks.take(removal.lock):
                for piece in removal.pieces:
                    _check(piece)
                for piece in removal.pieces:
                    _remove(piece)
                    gone.append(piece)
        except BlockingIOError:
            errors.append(f"{removal.lock}: held by another process, which trains this recipe; left alone")
        except OSError as error:
            errors.append(f"{removal.pieces[len(gone)].path}: not removed ({error.strerror or error})")
        if gone:
            done.append(replace(removal, pieces=tuple(gone)))
    return done, errors


def _check(piece: Piece) -> None:
    if Piece.at(piece.path) != piece:
        raise OSError("it has changed since it was found")


def _remove(piece: Piece) -> None:
    if stat.S_ISDIR(piece.path.lstat().st_mode):
        piece.path.rmdir()
    else:
        piece.path.unlink()


def held(lock: Path) -> bool:
    """Whether a process holds this lock. One that cannot be opened counts as held."""
    try:
        return file_locks.is_held(lock)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def busy(data: Path, tracking: MlflowConfiguration) -> dict[str, str]:
    """Experiments by name, and why they are left alone, TRAINED or RUNNING.

    The run of an experiment holds a lock in its folder; that of a study, which holds none, is known by its MLflow run.
    Raises PaperganError if a run is alive and MLflow does not know its experiment.
    """
    running = {
        lock.stem
        for lock in listed(Path(tracking.artifacts).parent / "running")
        if lock.suffix == ".lock" and held(lock)
    }
    found = {_experiment_of(run, tracking.tracking_uri): RUNNING for run in sorted(running)}
    for folder in listed(data / MODELS):
        if why := _why_busy(folder):
            found[folder.name] = max(why, found.get(folder.name, why), key=(TRAINED, RUNNING).index)
    return found


def _why_busy(folder: Path) -> str:
    """RUNNING if a run of the experiment is alive, TRAINED if only a training is, else ""."""
    try:
        stores = listed(folder / "checkpoints")
        if any(held(one / file_locks.RUN_LOCK) for one in (folder, *stores)):
            return RUNNING
        return TRAINED if any(held(store / "lock") for store in stores) else ""
    except PermissionError:  # of another user, whose process may run it
        return RUNNING


def _experiment_of(run: str, uri: str) -> str:
    from mlflow import MlflowClient

    try:
        database = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not database.is_file():  # MLflow would create one
            raise FileNotFoundError(f"there is no {database}")
        return str(MlflowClient(tracking_uri=uri).get_run(run).data.tags["papergan.experiment"])
    except Exception as error:  # MLflow fails in many ways; each means the same here
        raise PaperganError(
            f"MLflow run {run} is alive, and of which experiment it is cannot be told ({sanitise(error)}); "
            "nothing is cleaned while it is, wait for its end"
        ) from error
