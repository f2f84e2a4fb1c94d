"""ACGAN-PyTorch (github.com/clvrai/ACGAN-PyTorch): main.py on CIFAR-10, with its networks; ours is acgan_cifar10.

Unchanged: the script, its networks, its loop, its printing. Replaced at run time: its command line; torchvision's
CIFAR10, which returns the pixels of this comparison; transforms.Scale, by its present name, and `.data[0]` of a scalar,
by `.item()`, since torch no longer has them. It runs in its own folder.

Its step is less work than ours: the fakes of the generator's move are reused for the discriminator's. Noise on images,
which it does not have, is off in ours. --width, --network, --discriminator-steps do not exist.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torchvision
from pairs import PROBED, Pair
from standins import serve
from torch import Tensor, nn
from work import Asked, Sides, over_ours

from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.image_range import to_model_range

INPUTS = 110  # of its generator: the one-hot class replaces the first ten


def sides(asked: Asked) -> Sides:
    """Both sides of the comparison. Raises RecipeError if the script is missing, or lacks a requested option."""
    if asked.width or asked.network or (asked.discriminator_steps or 1) != 1:
        raise RecipeError("ACGAN-PyTorch knows neither --width nor --network nor --discriminator-steps")
    file = (asked.path or asked.folder) / "main.py"
    if not file.is_file():
        raise RecipeError(f"{file} is not there: --path must be a copy of ACGAN-PyTorch; see README.md")
    sys.path.insert(0, str(asked.path))
    serve(asked.pixels, "CIFAR10")
    torchvision.transforms.Scale = torchvision.transforms.Resize
    game = partial(over_ours, "acgan_cifar10", asked.pixels.shape[-1], {"noise": 0.0})
    return Sides(game, partial(_run, asked, file), facts={"network": "CIFAR-10"}, pairs=_pairs(asked, game()))


def _run(asked: Asked, file: Path) -> None:
    place = asked.folder / "peer"
    options = {
        "dataset": "cifar10", "dataroot": place, "workers": asked.workers, "batchSize": asked.batch,
        "imageSize": asked.pixels.shape[-1], "nz": INPUTS, "niter": 10**9, "outf": place, "manualSeed": 0,
    }  # fmt: skip
    cuda = ["--cuda"] if asked.device.type == "cuda" else []
    before, sys.argv = sys.argv, [str(file), *(f"--{name}={value}" for name, value in options.items()), *cuda]
    text = file.read_text().replace(".data[0]", ".item()")
    try:
        exec(compile(text, str(file), "exec"), {"__name__": "__main__"})  # noqa: S102 - a peer's script, which is run
    finally:
        sys.argv = before


def _pairs(asked: Asked, game: Any) -> dict[str, Pair]:
    networks = importlib.import_module("network")
    latent, classes = game.networks["prior"](PROBED, Progress(0))
    images = to_model_range(asked.pixels[:PROBED])
    return {
        "generator": Pair(
            game.networks["generator"], networks._netG_CIFAR10(1, INPUTS), (latent, classes),
            lambda network, latent, classes: network(latent, classes),
            lambda network, latent, classes: network(torch.cat([classes, latent], dim=1)),
        ),
        "discriminator": Pair(
            game.networks["discriminator"], networks._netD_CIFAR10(1), (images,), _ours, _theirs,
        ),
    }  # fmt: skip


def _theirs(network: nn.Module, images: Tensor) -> Tensor:
    """The probability of being real, and the class probabilities."""
    real, classes = network(images)
    return torch.cat([real[:, None], classes], dim=1)


def _ours(network: nn.Module, images: Tensor) -> Tensor:
    found = network(images)
    return torch.cat([found.score.sigmoid()[:, None], found.features[-1].softmax(1)], dim=1)
