"""The Perceptual Path Length of a sampler."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.extractors.feature_extractor import FeatureExtractor, full_precision
from papergan.game.priors import Prior
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.metrics.path_length import path_lengths, trimmed_mean

BATCH = 50


@torch.no_grad()
def sampler_path_length(
    sampler: Sampler, extractor: FeatureExtractor, *, count: int, seed: int, progress: Progress
) -> float | None:
    """Perceptual path length over `count` paths between latents of the sampler's prior; see `path_lengths`.

    The perceptual distance is the squared distance of the extractor's features, not LPIPS, so that values of
    different extractors, and those of papers, are not comparable; the name carries the extractor. Only the latent
    moves; labels and other arguments of the generator stay. None for a prior that has no way between two latents.
    """
    if not isinstance(sampler.prior, Prior):
        return None
    prior = sampler.prior
    start, end = (sampler.latents(count, seed, f"path {end}", progress=progress) for end in ("start", "end"))
    position = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(sampler.device)
    lengths = []
    with full_precision(sampler.device):
        for rows in torch.split(torch.arange(count, device=sampler.device), BATCH):
            rest = [part[rows] for part in start[1:]]

            def generate(latent: Tensor, rest: list[Tensor] = rest) -> Tensor:
                images: Tensor = sampler.generator(latent, *rest)
                return images.float()

            lengths.append(
                path_lengths(
                    generate, lambda images: extractor.extract_float((images + 1) * 127.5).features, prior.between,
                    start[0][rows], end[0][rows], position[rows],
                )
            )  # fmt: skip
    return trimmed_mean(torch.cat(lengths))
