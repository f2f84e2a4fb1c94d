"""Exporting the generator of a game in training, for evaluation and saving."""

from __future__ import annotations

import copy

from papergan.game.game import Game
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.game.style_generator import StyleGenerator

NUM_STYLES = 10_000  # over which the mean is taken


def export_generator(
    game: Game,
    progress: Progress,
    *,
    seed: int,
    batch_norm_batches: int = 100,
    batch_size: int = 64,
    averaged: bool = True,
) -> Sampler:
    """A copy of the averaged generator in evaluation mode, with statistics re-estimated under its own weights.

    These are BatchNorm's statistics, and the mean style of a `StyleGenerator`.

    If the game keeps no average, or `averaged` is false, it is a copy of the generator in training, whose statistics
    are already its own. The game is not changed.
    """
    sampler = copy.deepcopy(game.sampler(averaged=averaged)).requires_grad_(False)
    if averaged and game.average is not None:
        sampler.estimate_batch_norm(batches=batch_norm_batches, batch_size=batch_size, seed=seed, progress=progress)
        if isinstance(sampler.generator, StyleGenerator):
            sampler.generator.estimate_mean(*sampler.latents(NUM_STYLES, seed, "mean style", progress=progress))
    return sampler.eval()
