"""Games and generators restored from a recipe and saved weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from papergan import systems
from papergan.compression.fine_tuning import with_fixed_zeros
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec, ImageSplits
from papergan.errors import CheckpointError
from papergan.game.following import begin_at_weights
from papergan.game.game import Game
from papergan.game.priors import InputImages
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.training.numerics import numerics
from papergan.training.process_group import device_here
from papergan.weights import Weights


def new_game(recipe: Recipe, spec: ImageSpec, images: ImageSplits | None = None) -> Game:
    """The game of a recipe as its seed builds it, on the recipe's device.

    images: a system that translates is sampled with their test inputs; None where it is not sampled.
    """
    game = systems.build(recipe.system, spec, recipe.overrides, seed=recipe.seed)
    game.to(device_here(recipe.training.device))
    if images is not None and images.inputs is not None:
        for sampler in (game.sampler(averaged=False), game.sampler()):
            assert isinstance(sampler.prior, InputImages)
            sampler.prior.show(images.inputs.test.images)
    return game


def initial_game(recipe: Recipe, initial: Weights, images: ImageSplits | None = None) -> Game:
    """The game before its first step, from the output of `build_model`. images: see `new_game`.

    Raises CheckpointError where the weights are of another recipe.
    """
    _check(recipe, initial)
    game = new_game(recipe, spec_of(initial), images)
    game.networks.load_state_dict(initial.under("networks"))
    begin_at_weights(game.controllers)
    if game.average is not None:
        game.average.follow(game.sampler(averaged=False))
    if recipe.fine_tuning is not None and recipe.fine_tuning.prune_weights > 0.0:
        with_fixed_zeros(game)
    return game


def state_of(game: Game) -> dict[str, Tensor]:
    """The weights of all networks, by "networks.name", and of their average, by "average.name", on the host.

    Copies: tied tensors, such as a generator that is also part of an average, may not share memory in one file.
    """
    tensors = {f"networks.{name}": tensor for name, tensor in game.networks.state_dict().items()}
    if game.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in game.average.state_dict().items()}
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }


def trained_game(recipe: Recipe, trained: Weights, images: ImageSplits | None = None) -> Game:
    """The game after its last step. images: see `new_game`.

    Raises CheckpointError where the weights are of another recipe.
    """
    _check(recipe, trained)
    game = new_game(recipe, spec_of(trained), images)
    game.networks.load_state_dict(trained.under("networks"))
    if game.average is not None:
        game.average.load_state_dict(trained.under("average"))
    return game


def exported_sampler(
    recipe: Recipe,
    generator: Weights,
    tensors: Mapping[str, Tensor] | None = None,
    *,
    images: ImageSplits | None = None,
) -> Sampler:
    """The sampler of an exported generator. tensors: other weights for it. images: see `new_game`."""
    _check(recipe, generator)
    sampler = new_game(recipe, spec_of(generator), images).sampler(averaged=False)
    sampler.load_state_dict(dict(generator.tensors if tensors is None else tensors))
    return sampler.requires_grad_(False).eval()


def under_truncation(
    recipe: Recipe, sampler: Sampler, truncation: float | None, progress: Progress, *, batches: int | None = None
) -> Sampler:
    """The sampler for latents that are truncated: a copy whose BatchNorm statistics are re-estimated under them.

    truncation: None = the sampler itself. batches: of the recipe's size, None = as many as the exported generator's
    statistics have.
    """
    if truncation is None:
        return sampler
    truncated = copy.deepcopy(sampler)
    truncated.estimate_batch_norm(
        batches=batches or recipe.training.batch_norm_batches, batch_size=recipe.training.batch_size,
        seed=recipe.seed, progress=progress, truncation=truncation,
    )  # fmt: skip
    return truncated.eval()


def spec_facts(images: ImageSpec) -> dict[str, str]:
    """The kind of image as metadata of weights; `spec_of` reads it."""
    facts = {name: str(getattr(images, name)) for name in ("channels", "size", "num_classes")}
    if images.input is not None:
        facts |= {f"input_{name}": str(getattr(images.input, name)) for name in ("channels", "size")}
    return facts if images.frames == 1 else facts | {"frames": str(images.frames)}


def spec_of(weights: Weights) -> ImageSpec:
    """The kind of image that these weights are for."""
    about = weights.metadata
    given = ImageSpec(int(about["input_channels"]), int(about["input_size"])) if "input_size" in about else None
    channels, size, classes = (int(about[name]) for name in ("channels", "size", "num_classes"))
    return ImageSpec(channels, size, classes, given, int(about.get("frames", 1)))


def progress_of(weights: Weights) -> Progress:
    """The training progress at which these weights were saved."""
    about = weights.metadata
    return Progress(int(about["step"]), int(about["images"]), float(about["epoch"]))


def _check(recipe: Recipe, weights: Weights) -> None:
    theirs = weights.metadata.get("recipe")
    if theirs != recipe.fingerprint:
        raise CheckpointError(
            f"the saved weights are of recipe {theirs}, the parameters describe recipe {recipe.fingerprint}: "
            "run the whole pipeline, or give the --params and --env it was trained with"
        )


def check_one_run(images: ImageSplits, trained: Weights, *others: Weights) -> None:
    """Raise CheckpointError unless the images and weights are of the run that saved the trained game.

    others: the generator, or the best generators of a training, which name the step at which they were saved; files
    of versions before they did are accepted. A recipe's fingerprint does not tell runs of two budgets apart.
    """
    mine = trained.metadata
    if mine["data_digest"] != images.training_digest:
        raise CheckpointError(
            f"the trained game is of other images of {mine['dataset']} than the run has now, {images.train.name}: "
            "run the whole pipeline, or put the images back"
        )
    for other in others:
        theirs = {name: other.metadata.get(name, mine[name]) for name in ("recipe", "step", "data_digest")}
        if theirs != {name: mine[name] for name in theirs}:
            what = other.metadata.get("kind", "weights")
            raise CheckpointError(
                f"the trained game is of step {mine['step']} of recipe {mine['recipe']}, the {what} of step "
                f"{theirs['step']} of recipe {theirs['recipe']}, so they are of two runs: give the versions of one run "
                "to --load-versions (trained, generator, snapshots), or run the whole pipeline"
            )


def numerics_of(recipe: Recipe) -> AbstractContextManager[None]:
    """A context with the recipe's float32 precision and kernels, for training and evaluation alike."""
    return numerics(recipe.training.precision, deterministic=recipe.training.deterministic)


def device_of(recipe: Recipe) -> torch.device:
    """The device of this recipe in this process."""
    return device_here(recipe.training.device)
