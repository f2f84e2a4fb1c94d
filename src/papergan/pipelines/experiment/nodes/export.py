"""Nodes that export the generator of a trained game, and samples of it."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.pipelines.experiment.nodes.divergence import no_picture, no_weights, unless_diverged
from papergan.pipelines.experiment.restore import exported_sampler, numerics_of, progress_of, trained_game
from papergan.reporting.image_grid import ImageGrid
from papergan.training.export import export_generator
from papergan.weights import Weights

NUM_SHOWN = 64


@unless_diverged(no_weights)
def swap_in_ema(experiment: Experiment, images: ImageSplits, trained: Weights) -> Weights:
    """EMA swap: the exported generator, with averaged weights and re-estimated BatchNorm statistics.

    tahvili2025, section V.E. Where the system keeps no average, or the recipe asks for `evaluation.weights=raw`, the
    raw generator at the end of training.
    """
    recipe = experiment.recipe
    game = trained_game(recipe, trained, images)
    averaged = recipe.evaluation.weights == "ema" and game.average is not None
    with numerics_of(recipe):
        sampler = export_generator(
            game, progress_of(trained), seed=recipe.seed, batch_norm_batches=recipe.training.batch_norm_batches,
            averaged=averaged,
        )  # fmt: skip
    weights = "ema" if averaged else "raw"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sampler.state_dict().items()}
    about = {**trained.metadata, "kind": "generator", "weights": weights, "experiment": experiment.name}
    return Weights(tensors, about)


@unless_diverged(no_picture)
def sample(experiment: Experiment, images: ImageSplits, generator: Weights) -> ImageGrid:
    """64 images of fixed latents: the same ones at every evaluation and in every run of this recipe."""
    progress = progress_of(generator)
    with numerics_of(experiment.recipe):
        sampler = exported_sampler(experiment.recipe, generator, images=images)
        pixels = generate_samples(sampler, experiment.recipe.seed, progress)
    return ImageGrid(pixels, sample_caption(experiment.name, generator.metadata["dataset"], progress))


def generate_samples(sampler: Sampler, seed: int, progress: Progress) -> Tensor:
    """The first 64 of the samples that are also scored, uint8 [64, C, S, S]."""
    return to_pixels(torch.cat(list(sampler.stream(NUM_SHOWN, seed=seed, progress=progress)))).cpu()


def sample_caption(experiment: str, dataset: str, progress: Progress) -> str:
    """The caption of a picture of samples: experiment, data set, epoch and step."""
    return f"{experiment}, trained on {dataset}: epoch {progress.epoch:g}, step {progress.step}"
