"""A tiny training run in this process; `subject.py` has those that are to be killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from helpers.tiny_game import tiny_game
from papergan.game.game import Game
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from papergan.weights import Weights

SETTINGS = TrainSettings(steps=40, seed=3, report_every=10, batch_norm_batches=4)


def new_training(
    folder: Path,
    callbacks: Callbacks = Callbacks(),
    settings: TrainSettings = SETTINGS,
    game: Game | None = None,
    **sizes: Any,
) -> Trainer:
    pixels = torch.randint(0, 256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    how = {"batch_size": 8, "seed": 3, "device": "cpu", "flip": True} | sizes
    batches = Batches(pixels, torch.zeros(60, dtype=torch.int64), **how)
    return Trainer(game or tiny_game(), batches, settings, CheckpointStore(Path(folder), "tiny"), callbacks)


def digest(training: Trainer) -> str:
    state = training.game.state_dict()
    tensors = {f"networks.{k}": v for k, v in state["networks"].items()}
    tensors |= {f"average.{k}": v for k, v in state["average"].items() if "running" not in k}
    return Weights(tensors).digest
