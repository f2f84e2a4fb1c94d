"""Trials without torch, for workers that start in a moment: they write that they ran, wait, fail or die."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from papergan.atomic_files import write_whole
from papergan.errors import Interrupted, PaperganError
from papergan.tracking import Tracker
from papergan.training.signals import StopRequest


@dataclass(frozen=True)
class StubTrial:
    """seconds: it takes. deaths: of its worker by kill -9, before it succeeds. error: it always raises."""

    number: int
    seconds: float = 0.0
    deaths: int = 0
    error: str = ""
    seed: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"stub {self.number}"

    @property
    def key(self) -> str:
        return f"{self.number:05d}"


class StubStore:
    """<folder>/<key>.txt"""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, None

    def find(self, key: str) -> str | None:
        path = self.folder / f"{key}.txt"
        return path.read_text() if path.exists() else None

    def keep(self, key: str, result: str) -> None:
        path = self.folder / f"{key}.txt"
        assert self.find(key) in (None, result), f"{key} has two results"
        write_whole(path, result.encode())


class FatalStore(StubStore):
    """Kills its process once, when the first result is kept and nobody has heard of it."""

    def keep(self, key: str, result: str) -> None:
        first = not (self.folder / f"{key}.txt").exists()
        super().keep(key, result)
        if first and key == "00000":
            os.kill(os.getpid(), signal.SIGKILL)


class StubTrainer:
    """Leaves <folder>/<key>.<attempt> when it begins. digest: of its data, as this process sees them."""

    def __init__(self, folder: Path, digest: str = "") -> None:
        self.folder, self.digest = folder, digest

    def data_digest(self, trial: StubTrial) -> str:
        return self.digest

    def check(self, trial: StubTrial, found: str) -> None:
        pass

    def __call__(self, trial: StubTrial, tracker: Tracker) -> str:
        attempt = len(list(self.folder.glob(f"{trial.key}.*")))
        (self.folder / f"{trial.key}.{attempt}").touch()
        if attempt < trial.deaths:
            moment = random.Random(trial.key).uniform(0, trial.seconds)
            threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
            time.sleep(10)
        if trial.error:
            raise PaperganError(trial.error)
        with StopRequest().installed() as stop:
            until = time.monotonic() + trial.seconds
            while time.monotonic() < until:
                slow_step()
                if (number := stop()) is not None:
                    (self.folder / f"{trial.key}.saved").touch()
                    raise Interrupted(number, f"stopped by signal {number}")
        tracker.report({"step": 1.0, "value": float(trial.number)})
        return str(trial.number**2)

    def __reduce__(self) -> tuple[Any, ...]:
        return StubTrainer, (self.folder, os.environ.get("STUB_DIGEST", self.digest))


def slow_step() -> None:
    """A step of STUB_SLOW_STEP seconds, 0.002 by default, that signals do not shorten."""
    until = time.monotonic() + float(os.environ.get("STUB_SLOW_STEP", "0.002"))
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)
