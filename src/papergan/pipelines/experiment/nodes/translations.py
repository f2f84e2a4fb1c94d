"""Pictures of a translation: inputs, their translations, and targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.evaluation.translation_baselines import baselines
from papergan.evaluation.translation_scores import translated
from papergan.game.priors import InputImages
from papergan.game.sampler import Sampler
from papergan.image_range import to_pixels
from papergan.networks.image_to_image.directions import A_TO_B, B_TO_A, directions_of
from papergan.pipelines.experiment.nodes.divergence import no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import sample_caption
from papergan.pipelines.experiment.nodes.figures import LATENTS_PER_ROW, rows_over_time
from papergan.pipelines.experiment.restore import device_of, exported_sampler, numerics_of, progress_of
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights

NUM_SHOWN = 12


@unless_diverged(no_picture)
def draw_translations(experiment: Experiment, images: ImageSplits, generator: Weights) -> ImageGrid:
    """Twelve test inputs, their baselines without a network, their translations, and their targets.

    For two domains without pairs: each input, its translation, and the translation back; then the other way round.
    """
    recipe, splits, progress = experiment.recipe, images.inputs, progress_of(generator)
    assert splits is not None
    sampler, device, spec = exported_sampler(recipe, generator, images=images), device_of(recipe), images.spec
    inputs, target = splits.test.images[:NUM_SHOWN], images.test.images[:NUM_SHOWN]
    networks = directions_of(sampler.generator)
    with numerics_of(recipe):
        made = translated(networks[A_TO_B], inputs, device)
        rows = {"input": shown(inputs, spec.channels, spec.size)} | dict(
            baselines(inputs, spec.channels, (spec.size, spec.size))
        )
        rows["translated"] = made
        if splits.test.paired:
            rows["target"] = target
            rows["error"] = error_map(made, target)
        if B_TO_A in networks:
            rows["and back"] = translated(networks[B_TO_A], made, device)
            rows["target"] = target
            rows["to input"] = translated(networks[B_TO_A], target, device)
            rows["back again"] = translated(networks[A_TO_B], rows["to input"], device)
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    grid = torch.cat(list(rows.values()))
    return ImageGrid(grid, f"{caption}; inputs: {splits.test.name}", columns=len(inputs), row_labels=tuple(rows))


@unless_diverged(no_picture)
def draw_over_time(experiment: Experiment, images: ImageSplits, frames: Weights) -> ImageGrid:
    """Eight fixed test inputs, and their translations during training: a row per evaluation, at most 12."""
    assert images.inputs is not None
    given, spec = images.inputs.test.images, images.spec
    prior = InputImages(*given.shape[1:3])
    prior.show(given)
    inputs = to_pixels(next(Sampler(prior, nn.Identity()).stream(LATENTS_PER_ROW, seed=experiment.recipe.seed)))
    rows = {"input": shown(inputs, spec.channels, spec.size), **rows_over_time(frames)}
    caption = f"{experiment.name} on {experiment.recipe.dataset_name}: the same inputs while training, from the top"
    return ImageGrid(torch.cat(list(rows.values())), caption, columns=LATENTS_PER_ROW, row_labels=tuple(rows))


def shown(inputs: Tensor, channels: int, size: int) -> Tensor:
    """Inputs as uint8 [N, channels, size, size]: without a mask, grey in every channel, every pixel as a square."""
    images = inputs[:, :channels] if inputs.shape[1] >= channels else inputs[:, :1].expand(-1, channels, -1, -1)
    return images.repeat_interleave(size // images.shape[-1], 2).repeat_interleave(size // images.shape[-1], 3)


def error_map(made: Tensor, wanted: Tensor) -> Tensor:
    """The absolute difference of two uint8 [N, C, S, S], four times as bright, so that it is visible."""
    return ((made.int() - wanted.int()).abs() * 4).clamp(0, 255).to(torch.uint8)
