"""What is done to a run from inside it. Each takes the training that is about to run, and when to strike."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from papergan.training.trainer import Trainer

TOUCHES = (  # every way in which a save touches the disk
    (os, "open"), (os, "fsync"), (os, "replace"), (os, "unlink"), (Path, "unlink"), (Path, "mkdir"),
)  # fmt: skip


def kill_in_save(training: Trainer, at: int) -> None:
    """kill -9 before the `at`-th time that the next save touches the disk."""
    _in_next_save(training, at, lambda: os.kill(os.getpid(), signal.SIGKILL))


def full_disk_in_save(training: Trainer, at: int) -> None:
    """No space left, from the `at`-th touch of the next save on."""

    def refuse() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _in_next_save(training, at, refuse)


def stop(training: Trainer, at: int) -> None:
    """SIGTERM to itself in step `at`."""
    _before_step(training, at, lambda: os.kill(os.getpid(), signal.SIGTERM))


def slow_save(training: Trainer, at: int) -> None:
    """A save that takes `at` milliseconds for each sync."""
    sync = os.fsync

    def slowly(descriptor: int) -> None:
        Path(training.store.folder, "saving").touch()
        time.sleep(at / 1000)
        sync(descriptor)

    os.fsync = slowly


def small_disk(training: Trainer, at: int) -> None:
    """No file may grow beyond `at` bytes, as the kernel enforces it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))


def nobody(training: Trainer, at: int) -> None:
    """As a user without special rights, for whom read-only is read-only."""
    if os.geteuid() == 0:
        os.seteuid(65534)


def vanish(training: Trainer, at: int) -> None:
    """Everything in the folder of the checkpoints is gone, before step `at`."""
    _before_step(training, at, lambda: shutil.rmtree(training.store.folder))


def deaf_evaluation(training: Trainer, at: int) -> None:
    """An evaluation that takes long and looks at no signal."""

    def evaluate(sampler: Any, game: Any, progress: Any) -> dict[str, float]:
        Path(training.store.folder, "evaluating").touch()
        time.sleep(60)
        return {}

    object.__setattr__(training.callbacks, "evaluate", evaluate)


def long_evaluation(training: Trainer, at: int) -> None:
    """An evaluation that takes long, and looks for signals between two batches."""
    evaluate = training.callbacks.evaluate
    assert evaluate is not None

    def slowly(sampler: Any, game: Any, progress: Any) -> dict[str, float]:
        Path(training.store.folder, "evaluating").touch()
        for _ in range(200):
            time.sleep(0.01)
            metrics = evaluate(sampler, game, progress)
        return metrics

    object.__setattr__(training.callbacks, "evaluate", slowly)


def weight(training: Trainer, at: int) -> None:
    """Infinity in a weight of the last network, before step `at`."""

    def poison() -> None:
        with torch.no_grad():
            next(iter(list(training.game.networks.values())[-1].parameters())).view(-1)[0] = torch.inf

    _before_step(training, at, poison)


def weight_after_move(training: Trainer, at: int) -> None:
    """Infinity in a weight after step `at`, where no loss has seen it and a save comes next."""
    training_step = training._run_step

    def poisoned() -> None:
        training_step()
        if training.step == at + 1:
            with torch.no_grad():
                next(iter(list(training.game.networks.values())[-1].parameters())).view(-1)[0] = torch.nan

    training._run_step = poisoned  # type: ignore[method-assign]


def loss(training: Trainer, at: int) -> None:
    """A term that is NaN at step `at` alone, the last one of the last turn."""
    turn = training.game.turns[-1]
    term = turn.objective[-1]
    call = type(term).__call__

    def nan_once(self: Any, round: Any) -> torch.Tensor:
        value = call(self, round)
        return value * torch.nan if self is term and round.progress.step == at else value

    type(term).__call__ = nan_once  # type: ignore[method-assign]


def gradient(training: Trainer, at: int) -> None:
    """NaN in one gradient at step `at`, while every loss is finite."""
    last = list(training.game.networks.values())[-1]
    parameter = next(iter(last.parameters()))

    def arm() -> None:
        parameter.requires_grad_(True)
        handle = parameter.register_hook(lambda grad: grad * torch.nan)
        training._disarm = handle.remove  # type: ignore[attr-defined]

    _before_step(training, at, arm)
    _before_step(training, at + 1, lambda: training._disarm())  # type: ignore[attr-defined]


def pixel(training: Trainer, at: int) -> None:
    """A generated pixel that is NaN in evaluation alone, from step `at` on."""
    generator = training.game.sampler().generator
    forward = type(generator).forward

    def broken(self: Any, *latent: torch.Tensor) -> torch.Tensor:
        images = forward(self, *latent)
        if not self.training and training.step >= at:
            images = images.clone()
            images.view(-1)[0] = torch.nan
        return images

    type(generator).forward = broken  # type: ignore[method-assign]


def score(training: Trainer, at: int) -> None:
    """A score that is infinite, and one that is NaN, at step `at`."""
    evaluate = training.callbacks.evaluate
    assert evaluate is not None

    def scores(sampler: Any, game: Any, progress: Any) -> dict[str, float]:
        metrics = evaluate(sampler, game, progress)
        return {**metrics, "fid": float("inf"), "kid": float("nan")} if progress.step == at else metrics

    object.__setattr__(training.callbacks, "evaluate", scores)


def _before_step(training: Trainer, at: int, act: Callable[[], None]) -> None:
    training_step = training._run_step

    def acted() -> None:
        if training.step == at:
            act()
        training_step()

    training._run_step = acted  # type: ignore[method-assign]


def _in_next_save(training: Trainer, at: int, act: Callable[[], None]) -> None:
    """Act before the `at`-th touch (from 0) of the first save, and at each one after it."""
    save = training.store.save
    touches = 0

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def touch(*arguments: Any, **options: Any) -> Any:
            nonlocal touches
            if touches >= at:
                act()
            touches += 1
            return original(*arguments, **options)

        return touch

    def strike(step: int, state: Any, **facts: Any) -> None:
        kept = [(owner, name, getattr(owner, name)) for owner, name in TOUCHES]
        for owner, name, original in kept:
            setattr(owner, name, watched(original))
        try:
            save(step, state, **facts)
        finally:
            for owner, name, original in kept:
                setattr(owner, name, original)
        training.store.save = save  # type: ignore[method-assign]

    training.store.save = strike  # type: ignore[method-assign]
