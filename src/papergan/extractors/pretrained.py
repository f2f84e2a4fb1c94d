"""Published files of weights: located, downloaded and checked."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from papergan.atomic_files import open_regular
from papergan.data.download import download
from papergan.errors import DataError, EvaluationError, StorageError


@dataclass(frozen=True)
class PretrainedFile:
    """A published file of weights: where it may be found, and what it must hold before anything is built from it.

    title: its name in messages. url: its address; the last part is its name in torch's hub cache. setting: the option
    that names a copy elsewhere. instead: how to do without it, in messages. last_layer: shape of the tensor
    `last_name`. num_tensors: of the state, not counting the step counters of batch norm, which some versions of torch
    omitted. megabytes: approximate size. by_hand: never downloaded automatically, since it is large.
    """

    title: str
    url: str
    setting: str
    instead: str
    last_layer: tuple[int, ...]
    num_tensors: int
    last_name: str = "fc.weight"
    megabytes: int = 100
    by_hand: bool = False

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[1]

    @property
    def how_to(self) -> str:
        """How to get the file or do without it, for the end of every message."""
        let = "" if self.by_hand else "let it be downloaded (evaluation.allow_download=true), or "
        size = f"about {self.megabytes} MB" if self.megabytes else "below 1 MB"
        return f"download {self.url} ({size}) and set {self.setting}=<file>, or {let}{self.instead}"

    def locate(self, path: Path | str | None = None, allow_download: bool = False) -> Path:
        """The path of the file: `path`, else torch's hub cache, else (if allowed) a fresh download into that cache.

        Cheap unless it downloads: call it before training, so that a run without weights fails in its first second.
        Raises EvaluationError, in one line that says how to get the file and how to do without.
        """
        if path is not None:
            given = Path(path).expanduser()
            if not given.is_file():
                raise EvaluationError(f"{self.setting}: there is no file {given}; {self.how_to}")
            return given
        cached = Path(torch.hub.get_dir()) / "checkpoints" / self.file_name
        if not cached.is_file():
            if not allow_download:
                raise EvaluationError(f"{self.title} is not at {cached}; {self.how_to}")
            self._download(cached)
        return cached

    def read(self, path: Path) -> Mapping[str, Tensor]:
        """The tensors by name. Raises EvaluationError unless they are plain and of the expected number and shape."""
        try:
            with open_regular(path) as file:
                _refuse_packed(file)
                state = torch.load(file, map_location="cpu", weights_only=True)
        except StorageError as error:
            raise EvaluationError(f"{error}; {self.how_to}") from error
        except Exception as error:  # a damaged or hostile file fails in many ways; all mean the same to the user
            raise EvaluationError(
                f"{path} is damaged or no file of plain tensors ({type(error).__name__}); {self.how_to}"
            ) from error
        named = state if isinstance(state, dict) and all(map(_is_plain, state, state.values())) else {}
        shape = tuple(named[self.last_name].shape) if self.last_name in named else None
        count = sum(not name.endswith("num_batches_tracked") for name in named)
        if shape != self.last_layer or count != self.num_tensors:
            raise EvaluationError(
                f"{path} is not {self.title}: expected {self.num_tensors} tensors and {self.last_name} "
                f"{self.last_layer}, got {count} and {shape}; {self.how_to}"
            )
        return named

    def _download(self, target: Path) -> None:
        """Fetch with a progress bar; the file appears at `target` only once it is whole and checked."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            aside = Path(folder) / self.file_name
            try:
                download(self.url, aside)
            except DataError as error:
                raise EvaluationError(f"the download of {self.title} failed ({error}); {self.how_to}") from error
            self.read(aside)
            os.replace(aside, target)


def _refuse_packed(file: IO[bytes]) -> None:
    """Raise ValueError for an archive that would grow when it is read; torch never compresses what it saves."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > os.fstat(file.fileno()).st_size:
                raise ValueError("a packed archive")
    file.seek(0)


def _is_plain(name: object, tensor: object) -> bool:
    """Whether these are a name and numbers that are in the file: no layout or device on which shapes cost nothing."""
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and tensor.untyped_storage().nbytes() >= tensor.nbytes
    )
