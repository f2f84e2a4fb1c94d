"""A workspace made by hand: tiny files where the project puts them, written by the project's own datasets."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from kedro.io import Version

from helpers.project_run import score_card
from papergan.config.tools import RetentionRecipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.datasets.picture import PictureDataset
from papergan.datasets.references import ReferencesDataset, cached_features
from papergan.datasets.scores import ScoreCardDataset, ScoreCardsDataset
from papergan.datasets.weights import WeightsDataset
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.extractors.feature_extractor import Features
from papergan.maintenance.rules import Plan, plan
from papergan.maintenance.scan import YOUNG_SECONDS
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.reporting.image_grid import ImageGrid
from papergan.training.checkpoint import CheckpointStore
from papergan.weights import Weights

E, OTHER = "hybrid_cifar10", "dcgan_cifar10"
RECIPE = "f" * 12
RUN = "a" * 32
ALL_GO = {"versions": 1, "pictures": 2, "checkpoints": "unfinished"}
HOLDER = (
    "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); "
    "sys.stdin.read()"
)


def version(number: int) -> str:
    return f"2026-01-{number:02d}T00.00.00.000Z"


class FakeWorkspace:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.mlruns = folder, folder / "data", folder / "mlruns"
        self.models, self.reporting = self.data / "06_models", self.data / "08_reporting"
        self.cache, self.store = self.models / "rulers", self.data / "03_primary" / "store"

    def weights(self, name: str, number: int, value: int, experiment: str = E, **about: str) -> Path:
        """One version of an output of an experiment; returns its file."""
        made = Weights({"w": torch.full((4,), float(value))}, about)
        path = self.models / experiment / f"{name}.safetensors"
        WeightsDataset(filepath=str(path), version=Version(None, version(number))).save(made)
        return path / version(number) / path.name

    def card(self, number: int, experiment: str = E, value: int | None = None, **changes: Any) -> Path:
        """The card of the generator made of `value`, by default of that of the same version."""
        digest = Weights({"w": torch.full((4,), float(number if value is None else value))}).digest
        path = self.reporting / experiment / "scores.json"
        made = score_card(**{"experiment": experiment, "generator_digest": digest, **changes})
        ScoreCardDataset(filepath=str(path), version=Version(None, version(number))).save(made)
        return path / version(number) / path.name

    def run(self, number: int, experiment: str = E, recipe: str = RECIPE, step: int = 12, **changes: Any) -> None:
        """What one whole run leaves in versions."""
        for name in ("trained", "generator"):
            self.weights(name, number, number, experiment, recipe=recipe, step=str(step))
        grid = PictureDataset(
            filepath=str(self.reporting / experiment / "samples.png"), version=Version(None, version(number))
        )
        grid.save(ImageGrid(torch.zeros(4, 3, 4, 4, dtype=torch.uint8), "squares"))
        self.card(number, experiment, recipe_fingerprint=recipe, steps=step, **changes)

    def images(self, fill: int, experiment: str = E) -> None:
        self._images(experiment).save(ImageSplits(_set("train", fill), _set("test", fill + 1)))

    def reference(self, fill: int, experiment: str = E, held_out: bool = True) -> None:
        facts, cache = ExtractorFacts("domain", "domain_", "e" * 64, "p", True, ("a", "b")), FeatureCache(self.cache)

        def features_of(name: str) -> ImageFeatures:
            features = torch.full((3, 2), float(fill))
            made = ImageFeatures(name, f"{fill:064x}", Features(features, features), FeatureStatistics.of(features))
            return cached_features(cache, facts, made.name, made.digest, len(made), made.to_weights)

        made = Reference(facts, "train", features_of("train"), features_of("test") if held_out else None, None, 0)
        self._reference(experiment).save({"domain": made})

    def checkpoints(self, *steps: int, experiment: str = E, recipe: str = RECIPE) -> CheckpointStore:
        store = CheckpointStore(self.models / experiment / "checkpoints", recipe, keep=9)
        with store.locked():
            for step in steps:
                store.save(step, {"w": torch.full((4,), float(step))})
        return store

    def pictures(self, count: int, run: str = RUN) -> Path:
        folder = self.mlruns / "artifacts" / "papergan-tahvili2025" / run / "artifacts" / "samples"
        for number in range(count):
            self.file(folder / f"step-{number * 100:09d}.png")
        return folder

    def file(self, path: Path, content: bytes = b"x") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def plan(self, busy: dict[str, str] | None = None, *, later: bool = True, experiment: str | None = None) -> Plan:
        """later: hours from now, when nothing is young any more."""
        keep = {"versions": 2, "pictures": 4}
        return self.planned(keep, busy, later=later, experiment=experiment)

    def planned(
        self, keep: dict[str, Any], busy: dict[str, str] | None = None, *, later: bool = True,
        experiment: str | None = None,
    ) -> Plan:  # fmt: skip
        now = time.time() + (2 * YOUNG_SECONDS if later else 0)
        recipe = RetentionRecipe.parse("retention", keep)
        return plan(self.folder, recipe, busy or {}, experiment=experiment, now=now)

    def make_old(self) -> None:
        """As if everything had been written hours ago."""
        for path in [*self.folder.rglob("*"), self.folder]:
            when = path.lstat().st_mtime - 2 * YOUNG_SECONDS
            os.utime(path, (when, when), follow_symlinks=False)

    def listing(self) -> dict[str, str]:
        """Everything there is, files with their digest."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(self.folder.rglob("*"))
        }

    def check_that_all_loads(self) -> dict[str, Any]:
        """Load everything that a pointer, a reference, a card or a resumed run needs; returns the cards."""
        for pointer in self.data.glob("03_primary/*/images.json"):
            self._images(pointer.parent.name).load()
        for pointer in self.models.glob("*/reference.json"):
            self._reference(pointer.parent.name).load()
        for store in self.models.glob("*/checkpoints/*"):
            CheckpointStore(store.parent, store.name).latest()
        cards = ScoreCardsDataset(filepath=str(self.reporting), models=str(self.models)).load()
        for card in cards.values():
            made = {
                name: [WeightsDataset(filepath=str(path)).load() for path in self._all(card.experiment, name)]
                for name in ("generator", "trained")
            }
            assert card.generator_digest in {weights.digest for weights in made["generator"]}
            about = [weights.metadata for weights in made["trained"]]
            assert (card.recipe_fingerprint, str(card.steps)) in {(one["recipe"], one["step"]) for one in about}
        return cards

    def _all(self, experiment: str, name: str) -> list[Path]:
        return [*self.models.glob(f"{experiment}/{name}.safetensors/*/{name}.safetensors")]

    def _images(self, experiment: str) -> ImageSplitsDataset:
        pointer = self.data / "03_primary" / experiment / "images.json"
        return ImageSplitsDataset(filepath=str(pointer), store=str(self.store))

    def _reference(self, experiment: str) -> ReferencesDataset:
        return ReferencesDataset(filepath=str(self.models / experiment / "reference.json"), cache=str(self.cache))


def full_workspace(folder: Path) -> FakeWorkspace:
    """Something of everything, a part of it to be removed: six runs of three seeds, and what they leave."""
    made = FakeWorkspace(folder)
    for number, seed in enumerate((0, 1, 2, 2, 2, 2), 1):
        made.run(number, recipe=f"{seed:012x}", seed=seed)
    for fill, experiment in ((10, E), (20, OTHER), (30, "gone")):
        made.images(fill, experiment)
        made.reference(fill, experiment)
    for pointer in (made.data / "03_primary" / "gone" / "images.json", made.models / "gone" / "reference.json"):
        pointer.unlink()
    made.checkpoints(4, 12, recipe=f"{2:012x}")
    made.checkpoints(4, 8, recipe=f"{1:012x}")
    made.file(made.models / E / "checkpoints" / f"{1:012x}" / f"step-000000009-{'c' * 12}.pt")
    made.pictures(9)
    made.file(made.mlruns / "running" / f"{RUN}.lock", b"")
    made.file(made.mlruns / "mlflow.db", b"a database")
    made.file(made.data / "01_raw" / "cifar10" / "train.parquet")
    made.file(made.models / E / ".reference.json.0123456789abcdef.part")
    (made.models / E / "frames.safetensors" / version(1)).mkdir(parents=True)
    return made


@contextmanager
def held_elsewhere(lock: Path):
    """The lock is held by another process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.kill()
        process.communicate()


def paths(made: Plan, reason: str | None = None) -> set[Path]:
    """Files and folders that a plan removes, for this reason or for any."""
    return {piece.path for one in made.removals if reason in (None, one.reason) for piece in one.pieces}


def _set(name: str, fill: int) -> ImageSet:
    pixels = torch.full((2, 3, 4, 4), fill, dtype=torch.uint8)
    return ImageSet(f"set/{name}", pixels, torch.arange(2) % 2, ("a", "b"))


def versions_of(found: set[Path], name: str) -> set[str]:
    """Of which versions an output is among these files."""
    return {path.parent.name for path in found if path.name == name}


def refuse(monkeypatch, owner: object, name: str, path: Path) -> None:
    """Permission to look at `path` is denied, also to a superuser."""
    allowed = getattr(owner, name)

    def look(where):
        if Path(where) == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(where))
        return allowed(where)

    monkeypatch.setattr(owner, name, look)
