"""R3GAN (github.com/brownvc/R3GAN): the authors' networks and `training_loop`, preset CIFAR10 with labels.

Unchanged: `training.training_loop` with its loss, augmentation, schedules, Adam, average, DataLoader and networks; our
side has the recipe r3gan_cifar10 with our networks. Replaced at run time: the settings that its train.py derives from
its command line, in float32 throughout (theirs has bfloat16 in three of four stages); the data set; on a CPU, the
device that it requests, CUDA's events and counters, which do nothing there, and its operators, by its own reference
versions for that case; the argument that torch's Sampler no longer takes, and Adam's beta1, an int, by a float; no
grids of samples and no snapshots. Packages of its logging and its metrics that are not installed do nothing.

--width: of every stage, a multiple of 8, with a group per eight channels; its own is 768. --network and
--discriminator-steps do not exist. It needs at least one worker.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from packaging import version
from pairs import PROBED, Pair
from standins import CLASSES, stand_in_for
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import Dataset
from work import Asked, Sides, over_ours

from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.image_range import to_model_range

WIDTH, BLOCKS, LATENT, IMAGES = 768, 2, 64, 2e7
STAGES = 4
UNUSED = ("psutil", "requests", "torch.utils.tensorboard", "scipy", "scipy.linalg", "tqdm", "PIL.Image")
SCHEDULES = {
    "lr_scheduler": (2e-4, 5e-5), "beta2_scheduler": (0.9, 0.99), "gamma_scheduler": (0.05, 0.005),
    "ema_scheduler": (0.0, 5e6), "aug_scheduler": (0.0, 0.55),
}  # fmt: skip
AUGMENTATION = dict.fromkeys(
    ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac", "cutout"), 1
) | dict.fromkeys(("brightness", "contrast", "lumaflip", "hue", "saturation"), 0.5)  # fmt: skip


class Labelled(Dataset):  # type: ignore[type-arg]
    """Pixels as its data sets return them: uint8 [3, S, S], mirrored copies after the others, and one-hot labels."""

    has_labels, label_dim, label_shape = True, CLASSES, [CLASSES]

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels
        self.resolution, self.image_shape = pixels.shape[-1], list(pixels.shape[1:])

    def __len__(self) -> int:
        return 2 * len(self._pixels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self._pixels[index % len(self._pixels)]
        mirrored = image[:, :, ::-1] if index >= len(self._pixels) else image
        return mirrored.copy(), np.eye(CLASSES, dtype=np.float32)[index % len(self._pixels) % CLASSES]


def sides(asked: Asked) -> Sides:
    """Both sides of the comparison. Raises RecipeError if the folder has no R3GAN, or it lacks a requested option."""
    if asked.network or (asked.discriminator_steps or 1) != 1 or asked.workers < 1 or (asked.width or 8) % 8:
        raise RecipeError(
            "R3GAN knows neither --network nor --discriminator-steps, its --width is a multiple of 8, and its "
            "DataLoader needs --workers of at least 1"
        )
    missing = stand_in_for(UNUSED)
    if stand_in_for(["pkg_resources"]):  # newer setuptools lack it; its version comparison is that of packaging
        sys.modules["pkg_resources"].parse_version = version.parse  # type: ignore[attr-defined]
    sys.path.insert(0, str(asked.path))
    try:
        loop, networks = (importlib.import_module(f"training.{name}") for name in ("training_loop", "networks"))
    except ImportError as error:
        raise RecipeError(f"{asked.path} holds no R3GAN that can be imported: {error}; see README.md") from error
    game = partial(over_ours, "r3gan_cifar10", asked.pixels.shape[-1], {"width": asked.width})
    return Sides(
        game, partial(_train, asked, loop), flip=True, pairs=_pairs(asked, game(), networks),
        facts={"network": "CIFAR10 with labels", "stand-ins": missing},
    )  # fmt: skip


def _train(asked: Asked, loop: ModuleType) -> None:
    if asked.device.type == "cpu":
        loop.torch = _OnCPU("torch")  # type: ignore[attr-defined]
    torch.utils.data.Sampler.__init__ = lambda self, data_source=None: None  # type: ignore[assignment,method-assign]
    register_optimizer_step_pre_hook(_float_betas)
    size = asked.pixels.shape[-1]
    image = np.zeros((1, 3, size, size), np.uint8)
    loop.setup_snapshot_image_grid = lambda training_set: ((1, 1), image, np.eye(1, CLASSES, dtype=np.float32))  # type: ignore[attr-defined]
    adam = {"class_name": "torch.optim.Adam", "betas": [0.0, 0.0], "eps": 1e-8}
    schedules = {
        name: {"base_value": first, "final_value": last, "total_nimg": IMAGES}
        for name, (first, last) in SCHEDULES.items()
    }
    (asked.folder / "peer").mkdir()
    loop.training_loop(
        run_dir=str(asked.folder / "peer"),
        training_set_kwargs={"class_name": f"{__name__}.Labelled", "pixels": asked.pixels.numpy()},
        data_loader_kwargs={
            "pin_memory": asked.device.type == "cuda", "prefetch_factor": 2, "num_workers": asked.workers,
        },
        G_kwargs={"class_name": "training.networks.Generator", **_settings(asked.width, generator=True)},
        D_kwargs={"class_name": "training.networks.Discriminator", **_settings(asked.width, generator=False)},
        G_opt_kwargs=adam, D_opt_kwargs=adam, loss_kwargs={"class_name": "training.loss.R3GANLoss"},
        augment_kwargs={"class_name": "training.augment.AugmentPipe", **AUGMENTATION},
        batch_size=asked.batch, g_batch_gpu=asked.batch, d_batch_gpu=asked.batch, total_kimg=10**7,
        image_snapshot_ticks=None, network_snapshot_ticks=None, **schedules,
    )  # fmt: skip


def _float_betas(optimiser: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimiser.param_groups:
        group["betas"] = tuple(map(float, group["betas"]))


def _settings(width: int | None, *, generator: bool) -> dict[str, Any]:
    """The arguments that train.py passes to a network."""
    width = width or WIDTH
    own = {"NoiseDimension": LATENT} if generator else {}
    return own | {
        "ConditionEmbeddingDimension": LATENT if generator else width, "WidthPerStage": [width] * STAGES,
        "CardinalityPerStage": [width // 8] * STAGES, "BlocksPerStage": [BLOCKS] * STAGES, "ExpansionFactor": 2,
        "FP16Stages": [],
    }  # fmt: skip


class _OnCPU(ModuleType):
    """The module torch, for a loop that uses CUDA."""

    cuda = SimpleNamespace(
        Event=lambda **_: SimpleNamespace(
            record=lambda *_: None, synchronize=lambda: None, elapsed_time=lambda other: 0.0
        ),
        current_stream=lambda device: None,
        max_memory_allocated=lambda device: 0,
        max_memory_reserved=lambda device: 0,
        reset_peak_memory_stats=lambda: None,
    )

    def device(self, *_: Any) -> torch.device:
        return torch.device("cpu")

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _pairs(asked: Asked, game: Any, networks: ModuleType) -> dict[str, Pair]:
    size = asked.pixels.shape[-1]
    latent, classes = game.networks["prior"](PROBED, Progress(0))
    images = to_model_range(asked.pixels[:PROBED])
    inputs = {"generator": (latent, classes), "discriminator": (images, classes)}
    pairs = {}
    for name, given in inputs.items():
        theirs = getattr(networks, name.title())(
            **_settings(asked.width, generator=name == "generator"), c_dim=CLASSES, img_resolution=size
        )
        pairs[name] = Pair(game.networks[name], theirs, given, _run, _run)
    return pairs


def _run(network: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    found = network(*inputs)
    output: torch.Tensor = getattr(found, "score", found)
    return output
