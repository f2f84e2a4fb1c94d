"""The picture of style mixing: coarse styles of one image, fine ones of another."""

from __future__ import annotations

from papergan.config.checked import Experiment
from papergan.game.style_generator import StyleGenerator
from papergan.image_range import to_pixels
from papergan.inference.styles import mixing_images, mixing_legend
from papergan.pipelines.experiment.nodes.divergence import no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import sample_caption
from papergan.pipelines.experiment.restore import exported_sampler, numerics_of, progress_of
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights

NUM_MIXED = 8  # in a row, and in a column


@unless_diverged(no_picture)
def draw_style_mixing(experiment: Experiment, generator: Weights) -> ImageGrid:
    """Eight images on the left, eight above, and each pair mixed: the coarse styles, half of all, are from the left.

    Where the generator has no styles, the caption says so.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    sampler = exported_sampler(recipe, generator)
    network = sampler.generator
    if not isinstance(network, StyleGenerator):
        return no_picture(experiment, "its generator has no styles")
    ends = (f"style mixing, {which}" for which in ("coarse", "fine"))
    latents = [sampler.latents(NUM_MIXED, recipe.seed, end, progress=progress) for end in ends]
    first = network.num_layers // 2
    with numerics_of(recipe):
        coarse, fine = (network.map(*part) for part in latents)
        images = mixing_images(network, coarse, fine, first)
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    return ImageGrid(to_pixels(images).cpu(), f"{caption}; {mixing_legend(first)}", columns=NUM_MIXED + 1)
