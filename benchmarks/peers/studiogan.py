"""PyTorch-StudioGAN (github.com/POSTECH-CVLab/PyTorch-StudioGAN): CIFAR10/DCGAN.yaml, trained by `load_worker`.

Unchanged: `loader.load_worker` with its loop and its `WORKER`, networks, optimisers, configuration, DataLoader and
transforms (including random mirroring). Replaced at run time: the settings that its main.py derives from a command line
(which needs a GPU), without evaluation; torchvision's CIFAR10 returns the pixels of this comparison; on a CPU, its
rank, used as a number and as a device, is a string that works as both; wandb and packages that only its evaluation and
other networks need, if not installed, are modules that do nothing (so its logging costs it less).

Its generator is frozen while its discriminator moves, and the other way round, as here: no unused gradients.
--network: a file of src/configs/CIFAR10, an unconditional one with plain Adam and a loss that we have: both sides use
its networks. Or one of the conditional ProjGAN, SAGAN and BigGAN: its networks on its side, the same recipe with our
networks on ours. --width: of these generators, four times g_conv_dim; discriminators keep their proportion. Changed in
ProjGAN, to match the recipe: spectral normalisation of its discriminator (off in the file), Adam's betas.
It needs at least one worker.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from packaging import version
from pairs import PROBED, Pair
from standins import serve, stand_in_for
from torch import Tensor, nn
from work import Asked, Sides, Wrapped, adam, over_ours, over_theirs

from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.terms import Loss
from papergan.image_range import to_model_range
from papergan.networks.layers.blocks import set_batch_norm_epsilon
from papergan.objectives.adversarial import Hinge, NonSaturating, Wasserstein

LOSSES: dict[str, Loss] = {"vanilla": NonSaturating(), "hinge": Hinge(), "wasserstein": Wasserstein()}
OURS: dict[str, tuple[str, dict[str, Any]]] = {  # experiment, and settings that differ from its recipe
    "ProjGAN": ("projection_gan_cifar10", {"fakes_per_real": 1}),
    "SAGAN": ("sagan_cifar10", {}),
    "BigGAN": ("biggan_studiogan_cifar10", {}),
}
THEIRS: dict[str, dict[str, dict[str, Any]]] = {
    "ProjGAN": {"MODEL": {"apply_d_sn": True}, "OPTIMIZATION": {"beta1": 0.0, "beta2": 0.9}}
}
EPSILON = 1e-4  # of BatchNorm in all of its generators
UNUSED = (
    "wandb",
    "h5py",
    "seaborn",
    "kornia",
    "kornia.filters",
    "tensorflow",
    "timm",
    "timm.models",
    "timm.models.layers",
)
OFF = (
    "GAN_test", "GAN_train", "batch_statistics", "calc_is_ref_dataset", "distributed_data_parallel", "empty_cache",
    "frequency_analysis", "interpolation", "intra_class_fid", "k_nearest_neighbor", "langevin_sampling", "load_best",
    "load_data_in_memory", "load_train_hdf5", "mixed_precision", "save_fake_images", "save_real_images",
    "semantic_factorization", "standing_statistics", "synchronized_bn", "tsne_analysis", "vis_fake_images",
)  # fmt: skip


class Rank(str):
    """The device "cpu" that also acts as rank 0."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == 0 or str(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __radd__(self, other: int) -> int:
        return other


class Latents(nn.Module):
    """The peer's generator without labels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.network(latent, None)
        return images


def sides(asked: Asked) -> Sides:
    """Both sides. Raises RecipeError if the folder has no StudioGAN, or StudioGAN lacks a requested option."""
    name = asked.network or "DCGAN"
    if (asked.width and name not in OURS) or asked.workers < 1:
        raise RecipeError(
            f"StudioGAN's networks know no --width but those of {', '.join(OURS)}, and its DataLoader needs --workers "
            f"of at least 1"
        )
    missing = stand_in_for(UNUSED)
    if stand_in_for(["pkg_resources"]):  # newer setuptools lack it; its version comparison is that of packaging
        sys.modules["pkg_resources"].parse_version = version.parse  # type: ignore[attr-defined]
    sys.path.insert(0, str((asked.path or asked.folder) / "src"))
    serve(asked.pixels, "CIFAR10", "CIFAR100")
    try:
        loader, model = importlib.import_module("loader"), importlib.import_module("models.model")
        settings = _settings(asked, name)
    except (ImportError, OSError) as error:
        raise RecipeError(f"{asked.path} holds no StudioGAN that can be imported: {error}; see README.md") from error
    generator, _, _, discriminator, *_ = model.load_generator_discriminator(
        DATA=settings.DATA, OPTIMIZATION=settings.OPTIMIZATION, MODEL=settings.MODEL, STYLEGAN=settings.STYLEGAN,
        MODULES=settings.MODULES, RUN=settings.RUN, device=str(asked.device), logger=None,
    )  # fmt: skip

    def peer() -> None:
        rank = Rank("cpu") if asked.device.type == "cpu" else 0
        loader.load_worker(local_rank=rank, cfgs=settings, gpus_per_node=1, run_name="benchmark", hdf5_path=None)

    pairs: dict[str, Pair] = {}
    if name in OURS:
        game = partial(_our_game, asked, name, settings)
        pairs = _pairs(asked, game(), generator, discriminator)
    else:
        game = _over_theirs(settings, generator, discriminator)
    return Sides(
        game, peer, settings.OPTIMIZATION.d_updates_per_step, flip=settings.PRE.apply_rflip,
        facts={"network": name, "stand-ins": missing}, pairs=pairs,
    )  # fmt: skip


def _over_theirs(settings: Any, generator: nn.Module, discriminator: nn.Module) -> Callable[[], Game]:
    steps = settings.OPTIMIZATION

    def score(images: Tensor) -> Tensor:
        logits: Tensor = discriminator(images, None)["adv_output"]
        return logits

    return over_theirs(
        Latents(generator), Wrapped(discriminator, score), settings.MODEL.z_dim, LOSSES[settings.LOSS.adv_loss],
        adam(steps.g_lr, (steps.beta1, steps.beta2), 1e-6), steps.d_updates_per_step,
    )  # fmt: skip


def _our_game(asked: Asked, name: str, settings: Any) -> Game:
    experiment, changes = OURS[name]
    widths = {} if asked.width is None else _widths(settings)
    steps = {"discriminator_steps": settings.OPTIMIZATION.d_updates_per_step}
    game = over_ours(experiment, asked.pixels.shape[-1], changes | widths | steps)
    set_batch_norm_epsilon(game.networks["generator"], EPSILON)
    return game


def _widths(settings: Any) -> dict[str, int]:
    return {"generator_width": 4 * settings.MODEL.g_conv_dim, "discriminator_width": 2 * settings.MODEL.d_conv_dim}


def _pairs(asked: Asked, game: Game, generator: nn.Module, discriminator: nn.Module) -> dict[str, Pair]:
    """The discriminator twice: unchanged, and with ReLUs not in place, which leave the input that its skips carry."""
    latent, classes = game.networks["prior"](PROBED, Progress(0))
    images = to_model_range(asked.pixels[:PROBED])
    other = copy.deepcopy(discriminator)
    for layer in other.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    judges = {"discriminator": discriminator, "discriminator, its ReLUs not in place": other}
    return {
        "generator": Pair(
            game.networks["generator"], generator, (latent, classes),
            lambda network, latent, classes: network(latent, classes),
            lambda network, latent, classes: network(latent, classes.argmax(1)),
        ),
    } | {
        name: Pair(
            game.networks["discriminator"], judge, (images, classes),
            lambda network, images, classes: network(images, classes).score,
            lambda network, images, classes: network(images, classes.argmax(1))["adv_output"],
        ) for name, judge in judges.items()
    }  # fmt: skip


def _settings(asked: Asked, name: str) -> Any:
    """The settings that its main.py would have for `-t -metrics none`."""
    file = (asked.path or asked.folder) / "src" / "configs" / "CIFAR10" / f"{name}.yaml"
    settings = importlib.import_module("config").Configurations(str(file))
    place = asked.folder / "peer"
    for folder in settings.MISC.base_folders:
        (place / folder).mkdir(parents=True, exist_ok=True)
    run = dict.fromkeys(OFF, False) | {
        "cfg_file": str(file), "data_dir": str(place), "save_dir": str(place), "ckpt_dir": None, "seed": 0,
        "fix_seed": False, "num_workers": asked.workers, "train": True, "eval_metrics": ["none"], "freezeD": -1,
        "pre_resizer": "wo_resize", "post_resizer": "legacy", "ref_dataset": "train", "print_freq": 100,
        "save_freq": 10**9, "total_nodes": 1, "current_node": 0, "project": None, "entity": None, "num_eval": 1,
        "standing_max_batch": -1, "standing_step": -1, "truncation_factor": -1.0, "eval_backbone": "InceptionV3_tf",
    }  # fmt: skip
    settings.update_cfgs(run, super="RUN")
    settings.update_cfgs({"crop_long_edge": False, "resize_size": None}, super="PRE")
    changes = {"world_size": 1, "batch_size": asked.batch, "total_steps": 10**9}
    if asked.discriminator_steps:
        changes["d_updates_per_step"] = asked.discriminator_steps
    settings.update_cfgs(changes, super="OPTIMIZATION")
    _check(settings, name)
    for part, values in THEIRS.get(name, {}).items():
        settings.update_cfgs(values, super=part)
    if asked.width:
        _narrow(settings, asked.width)
    settings.define_modules()
    return settings


def _narrow(settings: Any, width: int) -> None:
    """Scale the discriminator like the generator. Raises RecipeError for an impossible width."""
    share = settings.MODEL.d_conv_dim * width
    if width % 16 or share % (4 * settings.MODEL.g_conv_dim):
        raise RecipeError(f"--width must be a multiple of 16 for StudioGAN's networks, got {width}")
    dims = {"g_conv_dim": width // 4, "d_conv_dim": share // (4 * settings.MODEL.g_conv_dim)}
    settings.update_cfgs(dims, super="MODEL")


def _check(settings: Any, name: str) -> None:
    """Check that our side supports these settings as well. Raises RecipeError for anything else."""
    if name in OURS:
        return
    model, loss, steps, augment = settings.MODEL, settings.LOSS, settings.OPTIMIZATION, settings.AUG
    asks = {key for part in (loss, augment) for key, value in vars(part).items() if key.startswith("apply_") and value}
    asks |= {key for key in ("apply_g_ema",) if getattr(model, key)}
    plain = (model.d_cond_mtd, model.g_cond_mtd, model.info_type, steps.type_) == ("W/O", "W/O", "N/A", "Adam")
    if asks or not plain or loss.adv_loss not in LOSSES or (steps.g_updates_per_step, steps.acml_steps) != (1, 1):
        more = ", ".join(sorted(asks)) or "conditions, or another loss or optimiser"
        raise RecipeError(
            f"{name} of StudioGAN asks for {more}: only unconditional games of a plain loss are compared, and "
            f"{', '.join(OURS)}"
        )
