"""The picture of what latents mean: a row for each value of a code, and test images above their reconstructions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.evaluation.encoder_scores import decode, encode, settled_encoder
from papergan.game.game import Game
from papergan.game.priors import one_hot
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.objectives.mutual_information import WithCodes
from papergan.pipelines.experiment.nodes.divergence import no_picture, unless_diverged
from papergan.pipelines.experiment.nodes.export import sample_caption
from papergan.pipelines.experiment.restore import load_generator, numerics_of, progress_of, trained_game
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights

COLUMNS = 10
MAX_CATEGORIES, PER_CONTINUOUS = 20, 5  # rows
FARTHEST = 2.0  # where continuous codes are taken to, beyond the 1 of training, as in figure 2 of the paper
NUM_RECONSTRUCTED = 4 * COLUMNS
CODES = "; each category with the same ten latents, then each continuous code from -2 to 2 with the rest of one latent"
RECONSTRUCTED = "; test images above their reconstructions G(E(x))"


class Row(NamedTuple):
    """Ten images of the picture, uint8 [10, C, S, S], and what stands left of them."""

    label: str
    images: Tensor


@unless_diverged(no_picture)
def draw_codes(experiment: Experiment, images: ImageSplits, trained: Weights, generator: Weights) -> ImageGrid:
    """Rows of samples by categorical code, rows along each continuous one; rows of test images, each above G(E(x)).

    Where the game has neither codes nor an encoder that inverts the generator, the caption says so.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    with numerics_of(recipe):
        of_codes = code_rows(load_generator(recipe, generator), recipe.seed, progress)
        of_encoder = reconstruction_rows(trained_game(recipe, trained), images, recipe.evaluation.batch_size)
    rows = of_codes + of_encoder
    if not rows:
        return no_picture(experiment, "its game has neither codes nor an encoder that inverts the generator")
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    caption += CODES * bool(of_codes) + RECONSTRUCTED * bool(of_encoder)
    pixels, labels = torch.cat([row.images for row in rows]), tuple(row.label for row in rows)
    return ImageGrid(pixels, caption, columns=COLUMNS, row_labels=labels)


def code_rows(sampler: Sampler, seed: int, progress: Progress) -> list[Row]:
    """A row for each category, and rows along each continuous code; none where the prior has no codes.

    Source: Chen et al. 2016, figure 2.
    """
    prior = sampler.prior
    if not isinstance(prior, WithCodes):
        return []
    (latents,) = sampler.latents(COLUMNS, seed, "codes", progress=progress)
    noise, drawn, codes = prior.split(latents)
    rows = []
    for value in range(min(prior.categories, MAX_CATEGORIES)):
        category = one_hot(torch.full((COLUMNS,), value, device=noise.device), prior.categories)
        rows.append((f"category {value}", torch.cat([noise, category, codes], dim=1)))
    for place in range(prior.continuous):
        for one in range(PER_CONTINUOUS):
            row = torch.cat([noise[one], drawn[one], codes[one]]).repeat(COLUMNS, 1)
            row[:, place - prior.continuous] = torch.linspace(-FARTHEST, FARTHEST, COLUMNS, device=row.device)
            rows.append((f"continuous {place + 1}", row))
    return [Row(label, to_pixels(sampler.decode(row)).cpu()) for label, row in rows]


def reconstruction_rows(game: Game, images: ImageSplits, batch_size: int) -> list[Row]:
    """Rows of the first test images, each above a row of their reconstructions; none without such an encoder."""
    if game.encoder is None:
        return []
    count = min(NUM_RECONSTRUCTED, len(images.test) // COLUMNS * COLUMNS)
    if not count:
        return []
    some = images.test.taken(torch.arange(count), images.test.name)
    latents = encode(settled_encoder(game, images.train, batch_size), some, batch_size).latent
    if latents is None:
        return []
    shown = to_pixels(decode(game, latents, batch_size))
    pairs = zip(torch.split(some.images, COLUMNS), torch.split(shown, COLUMNS), strict=True)
    return [Row(*row) for pair in pairs for row in zip(("test images", "reconstructed"), pair, strict=True)]
