"""PyTorch-GAN (github.com/eriklindernoren/PyTorch-GAN): implementations/dcgan/dcgan.py, run as a script.

Unchanged: the whole script, its networks, its loop, its printing. Replaced at run time: its command line, and
torchvision's MNIST, which returns the pixels of this comparison (three channels). It runs in its own folder, two levels
below, since it creates "images" and "../../data". On a machine with a GPU it uses the GPU; it has no other option.

Its step is less work than ours: the fakes of the generator's move are reused for the discriminator's. Each player has
one move, the discriminator's loss is halved (so is ours here), and --width, --network and --workers do not exist.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from standins import serve
from torch import Tensor
from work import Asked, Sides, Wrapped, adam, over_theirs

from papergan.errors import RecipeError
from papergan.game.terms import BothScores
from papergan.objectives.adversarial import NonSaturating

LATENT = 100


@dataclass(frozen=True)
class Halved(NonSaturating):
    """The loss with half the weight for the discriminator, as in the script."""

    def discriminator(self, scores: BothScores) -> Tensor:
        return super().discriminator(scores) / 2


def sides(asked: Asked) -> Sides:
    """Both sides with its networks, from a run of the script without epochs. Raises RecipeError if it is missing."""
    if asked.width or asked.network or (asked.discriminator_steps or 1) != 1:
        raise RecipeError("dcgan.py of PyTorch-GAN knows neither --width nor --network nor --discriminator-steps")
    if torch.cuda.is_available() != (asked.device.type == "cuda"):
        raise RecipeError("dcgan.py of PyTorch-GAN takes a GPU where there is one: hide it with CUDA_VISIBLE_DEVICES=")
    serve(asked.pixels, "MNIST")
    found = _script(asked, epochs=0)
    judge = found["discriminator"]

    def score(images: Tensor) -> Tensor:
        logits: Tensor = judge.adv_layer[0](judge.model(images).flatten(1))
        return logits

    return Sides(
        over_theirs(found["generator"], Wrapped(judge, score), LATENT, Halved(), adam(2e-4, (0.5, 0.999))),
        peer=lambda: _endless(asked),
    )  # fmt: skip


def _endless(asked: Asked) -> None:
    _script(asked, epochs=10**9)


def _script(asked: Asked, epochs: int) -> dict[str, Any]:
    file = (asked.path or asked.folder) / "implementations" / "dcgan" / "dcgan.py"
    if not file.is_file():
        raise RecipeError(f"{file} is not there: --path must be a copy of PyTorch-GAN; see README.md")
    size = asked.pixels.shape[-1]
    options = {
        "n_epochs": epochs, "batch_size": asked.batch, "latent_dim": LATENT, "img_size": size, "channels": 3,
    }  # fmt: skip
    with _started_with(asked, [str(file), *(f"--{name}={value}" for name, value in options.items())]):
        return runpy.run_path(str(file), run_name="__main__")


@contextmanager
def _started_with(asked: Asked, arguments: list[str]) -> Iterator[None]:
    here, before = os.getcwd(), sys.argv
    place = asked.folder / "peer" / "implementations"
    place.mkdir(parents=True, exist_ok=True)
    sys.argv = arguments
    os.chdir(place)
    try:
        yield
    finally:
        sys.argv = before
        os.chdir(here)
