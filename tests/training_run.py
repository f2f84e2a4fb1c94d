"""A tiny training run, in this process or, as a script, in one that is to be killed: FOLDER [slow]."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from papergan.game.game import Game
from papergan.training.batches import Batches
from papergan.training.checkpoint import CheckpointStore
from papergan.training.interruption import StopRequest
from papergan.training.train import Listeners, Plan, Training
from papergan.weights import Weights
from tiny_game import tiny_game

PLAN = Plan(steps=40, seed=3, report_every=10, batch_norm_batches=4)


def new_training(
    folder: Path, listeners: Listeners = Listeners(), plan: Plan = PLAN, game: Game | None = None
) -> Training:
    pixels = torch.randint(0, 256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    batches = Batches(pixels, torch.zeros(60, dtype=torch.int64), batch_size=8, seed=3, device="cpu", flip=True)
    return Training(game or tiny_game(), batches, plan, CheckpointStore(Path(folder), "tiny"), listeners)


def digest(training: Training) -> str:
    state = training.game.state_dict()
    tensors = {f"networks.{k}": v for k, v in state["networks"].items()}
    tensors |= {f"average.{k}": v for k, v in state["average"].items() if "running" not in k}
    return Weights(tensors).digest


def main(folder: Path, slow: bool) -> None:
    def dawdle() -> int | None:
        if slow:
            time.sleep(0.02)
        return stop()

    stop = StopRequest()
    plan = replace(PLAN, save_minutes=0.05 / 60)
    training = new_training(folder, Listeners(stop=dawdle), plan)
    with stop.listening():
        print("started", flush=True)
        training.run()
    print(digest(training))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "slow" in sys.argv)
