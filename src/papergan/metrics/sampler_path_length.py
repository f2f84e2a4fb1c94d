"""The Perceptual Path Length of a sampler, between latents and between styles."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.extractors.feature_extractor import FeatureExtractor, full_precision
from papergan.game.priors import Prior, linear
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.game.style_generator import StyleGenerator
from papergan.metrics.path_length import path_lengths, trimmed_mean

BATCH = 50


@torch.no_grad()
def sampler_path_length(
    sampler: Sampler, extractor: FeatureExtractor, *, count: int, seed: int, progress: Progress
) -> float | None:
    """Perceptual path length over `count` paths between latents of the sampler's prior; see `path_lengths`.

    The perceptual distance is the squared distance of the extractor's features, not LPIPS, so that values of
    different extractors, and those of papers, are not comparable; the metric's name includes the extractor. Only the
    latent changes; labels and other arguments of the generator stay fixed. Latents come from the untruncated prior,
    z ~ P(z) as published. None for a prior that cannot interpolate between two latents.
    """
    if not isinstance(sampler.prior, Prior):
        return None
    start, end = _ends(sampler, count, seed, progress)
    return _trimmed_mean(sampler.generator, extractor, sampler.prior.path, start, end[0], seed)


@torch.no_grad()
def style_path_length(
    sampler: Sampler, extractor: FeatureExtractor, *, count: int, seed: int, progress: Progress
) -> float | None:
    """As `sampler_path_length`, between the styles of the same latents, on straight lines; each end has its own class.

    None for a generator without styles. Source: Karras et al. 2019 (arXiv:1812.04948), section 4.1, l_W.
    """
    generator = sampler.generator
    if not isinstance(generator, StyleGenerator):
        return None
    with full_precision(sampler.device):
        start, end = (generator.map(*part) for part in _ends(sampler, count, seed, progress))
    return _trimmed_mean(generator.synthesise, extractor, linear, (start,), end, seed)


def _ends(sampler: Sampler, count: int, seed: int, progress: Progress) -> list[tuple[Tensor, ...]]:
    return [sampler.latents(count, seed, f"path {end}", progress=progress) for end in ("start", "end")]


def _trimmed_mean(
    make: Callable[..., Tensor], extractor: FeatureExtractor, between: Callable[[Tensor, Tensor, Tensor], Tensor],
    start: tuple[Tensor, ...], end: Tensor, seed: int,
) -> float:  # fmt: skip
    """PPL of paths from start[0] to `end`; the rest of start are further arguments, kept fixed."""
    count, device = len(end), end.device
    position = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(device)
    lengths = []
    with full_precision(device):
        for rows in torch.split(torch.arange(count, device=device), BATCH):
            first, *rest = (part[rows] for part in start)

            def generate(latent: Tensor, rest: list[Tensor] = rest) -> Tensor:
                return make(latent, *rest).float()

            lengths.append(
                path_lengths(
                    generate, lambda images: extractor.extract_float((images + 1) * 127.5).features, between,
                    first, end[rows], position[rows],
                )
            )  # fmt: skip
    return trimmed_mean(torch.cat(lengths))
