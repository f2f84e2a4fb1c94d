"""Images and features that experiments share: those that no pointer leads to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kedro.io import DatasetError

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.datasets.atomic_file import read_bytes
from papergan.datasets.digested_json import decode_with_digest
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.references import ReferencesDataset
from papergan.datasets.unfinished_work import PREFIX
from papergan.errors import PaperganError
from papergan.maintenance.scan import MODELS, PRIMARY, SHELF, STORE, Disk, Removal, listed
from papergan.messages import sanitise
from papergan.weights import Weights

IMAGES = "images that no experiment points to"
DRAFTS = "states of classifiers in training that are finished by now"
FEATURES = "features of real images that no experiment points to; made again when they are asked for"


def unused_images(disk: Disk, data: Path, notes: list[str]) -> Iterator[Removal]:
    """Files of the store whose digest is in no images.json. One that cannot be read protects all; `notes` says so."""
    texts: list[str] = []

    def read(pointer: Path) -> None:
        content = read_bytes(pointer, DOCUMENT_BYTES)
        decode_with_digest(content, pointer, "ingest again")
        texts.append(content.decode())

    if _all_read(data / PRIMARY, "images.json", read, notes):
        for path in disk.files(data / PRIMARY / STORE, re.compile(r"[0-9a-f]{16}\.safetensors")):
            if disk.is_old(path) and not any(path.stem in text for text in texts):
                yield from disk.removal(IMAGES, path)


def unused_features(disk: Disk, data: Path, notes: list[str]) -> Iterator[Removal]:
    """Features in the cache that no reference.json is made of. One that cannot be read protects all."""
    cache = _Asked(data / MODELS / SHELF)
    if _all_read(data / MODELS, "reference.json", cache.read, notes):
        for path in disk.files(cache.folder, re.compile(r"features-.+-[0-9a-f]{16}\.safetensors")):
            if disk.is_old(path) and path.name not in cache.asked:
                yield from disk.removal(FEATURES, path)


def finished_drafts(disk: Disk, data: Path) -> Iterator[Removal]:
    """What a kill left of work whose result is on the cache. The state of unfinished work stays, whatever its age."""
    cache = data / MODELS / SHELF
    for path in disk.files(cache, re.compile(re.escape(PREFIX) + r".+-[0-9a-f]{16}\.safetensors")):
        if disk.is_old(path) and path.with_name(path.name.removeprefix(PREFIX)).is_file():
            yield from disk.removal(DRAFTS, path)


class _Asked(FeatureCache):
    """A cache that notes what it is asked for instead of reading it: features are gigabytes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: set[str] = set()

    def read(self, pointer: Path) -> None:
        """Note everything that a reference is made of."""
        dataset = ReferencesDataset(filepath=str(pointer), cache=str(self.folder))
        dataset._cache = self
        dataset.load()

    def get_or_compute(self, kind: str, made_from: Mapping[str, object], make: Callable[[], Weights]) -> Weights:
        """Nothing, in the form of features."""
        import torch

        self.asked.add(self.path_of(kind, made_from).name)
        rows = torch.zeros(1, 1).expand(int(str(made_from["count"])), 1)  # takes no room
        statistics = {"count": torch.tensor(0), "mean": torch.zeros(1), "scatter": torch.zeros(1, 1)}
        about = {"kind": "sight", "name": str(made_from["name"]), "images": str(made_from["images"])}
        return Weights({"features": rows, "logits": rows, **statistics}, about)


def _all_read(folder: Path, name: str, read: Callable[[Path], None], notes: list[str]) -> bool:
    """Read this pointer of every experiment; False where one of them does not say where it leads."""
    try:
        for experiment in listed(folder):
            if os.path.lexists(experiment / name):  # also a link to a disk that is not there now
                read(experiment / name)
    except (OSError, ValueError, PaperganError, DatasetError) as error:
        reason = sanitise(error.__cause__ if isinstance(error, DatasetError) and error.__cause__ else error)
        notes.append(f"{folder.name}: what experiments share there is left alone, since {reason}")
        return False
    return True
