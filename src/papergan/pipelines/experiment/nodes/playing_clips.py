"""Animations of clips: samples that play, and the content of one clip with the motion of another."""

from __future__ import annotations

import torch

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.image_range import to_pixels
from papergan.objectives.clips import ClipGenerator
from papergan.pipelines.experiment.nodes.divergence import no_animation, unless_diverged
from papergan.pipelines.experiment.nodes.export import generate_samples, sample_caption
from papergan.pipelines.experiment.restore import exported_sampler, numerics_of, progress_of
from papergan.reporting.image_grid import Animation, playing
from papergan.weights import Weights

NUM_SWAPPED = 8  # contents, one above another, and motions, side by side


@unless_diverged(no_animation)
def play_clips(experiment: Experiment, images: ImageSplits, generator: Weights) -> Animation:
    """The clips of the 64 fixed latents, all playing at once."""
    progress = progress_of(generator)
    with numerics_of(experiment.recipe):
        sampler = exported_sampler(experiment.recipe, generator, images=images)
        clips = generate_samples(sampler, experiment.recipe.seed, progress)
    return playing(clips, sample_caption(experiment.name, generator.metadata["dataset"], progress))


@unless_diverged(no_animation)
def swap_codes(experiment: Experiment, generator: Weights) -> Animation:
    """Eight contents with eight motions: a row has one content, a column one motion, all of them one category."""
    recipe, progress = experiment.recipe, progress_of(generator)
    sampler = exported_sampler(recipe, generator)
    network = sampler.generator
    assert isinstance(network, ClipGenerator)  # guaranteed by the trait "needs_clips" of its system
    latents, *classes = sampler.latents(NUM_SWAPPED, recipe.seed, "swapped codes", progress=progress)
    swapped = network.layout.crossed(latents)
    with numerics_of(recipe), torch.inference_mode():
        clips = to_pixels(sampler.decode(swapped, *(one[:1].expand(len(swapped), -1) for one in classes))).cpu()
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    explained = f"{caption}; each row one content code, each column one motion code, all of one category"
    return playing(clips, explained, NUM_SWAPPED)
