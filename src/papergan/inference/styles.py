"""What a generator with styles can do besides: latents to styles, styles to images, mixing, truncation side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from papergan.errors import RecipeError
from papergan.game.style_generator import StyleGenerator
from papergan.image_range import to_pixels
from papergan.inference.samples import Grid, Samples
from papergan.reporting.image_grid import ImageGrid

if TYPE_CHECKING:
    from papergan.inference.generator import Generator

PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)


def styled(generator: Generator, what: str) -> StyleGenerator:
    """The network of a generator with styles. Raises RecipeError for another, naming `what` was asked for."""
    network = generator.sampler.generator
    if not isinstance(network, StyleGenerator):
        raise RecipeError(
            f"{what}: a generator of system {generator.system!r} has no styles; stylegan and stylegan2 have"
        )
    return network


def checked_styles(network: StyleGenerator, styles: Tensor) -> Tensor:
    """Styles as float32 [N, W] or [N, L, W]. Raises RecipeError for another shape, or what is not finite."""
    w = torch.as_tensor(styles, dtype=torch.float32).detach()
    layers, dim = network.num_layers, len(network.mean_style)
    shapes = (w.dim() == 2 and w.shape[1] == dim) or (w.dim() == 3 and w.shape[1:] == (layers, dim))
    if not shapes or not len(w) or not bool(w.isfinite().all()):
        raise RecipeError(f"styles: expected finite numbers [N, {dim}] or [N, {layers}, {dim}], got {list(w.shape)}")
    return w


def checked_layer(network: StyleGenerator, layer: int | None) -> int:
    """The first layer of the fine styles, half of all for None. Raises RecipeError for one that leaves a side empty."""
    if layer is None:
        return network.num_layers // 2
    if not 1 <= layer < network.num_layers:
        raise RecipeError(
            f"layer: expected 1..{network.num_layers - 1}, the first with the other's styles, got {layer}"
        )
    return layer


def mixed(network: StyleGenerator, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
    """Styles [N, L, W] of w [N, W]: those of `coarse` before `layer`, from 0 at 4x4, of `fine` from it on."""
    is_fine = (torch.arange(network.num_layers, device=coarse.device) >= layer)[:, None]
    return torch.where(is_fine, fine[:, None], coarse[:, None])


@torch.no_grad()
def mixing_images(network: StyleGenerator, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
    """Images of a table, row by row, float [(N + 1)(M + 1), C, S, S] in [-1, 1].

    The first row has the images of `fine` [M, W], the first column those of `coarse` [N, W], the corner is black; each
    other image has the coarse styles of its row and the fine ones of its column.
    Source: Karras et al. 2019 (arXiv:1812.04948), figure 3.
    """
    top = network.synthesise(fine)
    rows = [torch.cat([torch.full_like(top[:1], -1.0), top])]
    for one in coarse:
        w = one.expand(len(fine), -1)
        rows.append(torch.cat([network.synthesise(one[None]), network.synthesise(mixed(network, w, fine, layer))]))
    return torch.cat(rows).float().clamp(-1, 1)


def mixing_legend(layer: int) -> str:
    """What the table of `mixing_images` shows, for its caption."""
    return f"styles of layers 0 to {layer - 1} from the left, of the others from above"


def mixing_grid(
    generator: Generator, seeds: tuple[int, int], n: int, layer: int | None, truncation: float | None
) -> Grid:
    """The picture of `Generator.mixing_grid`."""
    network = styled(generator, "mixing_grid")
    first = checked_layer(network, layer)
    coarse, fine = (_styles_of(generator, network, n, seed, truncation) for seed in seeds)
    images = mixing_images(network, coarse, fine, first).cpu()
    name = generator.stored.about.get("experiment", generator.system)
    caption = f"{name}: seed {seeds[0]} on the left, {seeds[1]} above; {mixing_legend(first)}"
    return Grid(ImageGrid(to_pixels(images), caption, columns=n + 1), 2)


def truncation_strip(generator: Generator, n: int, seed: int, psis: Sequence[float]) -> Grid:
    """The picture of `Generator.truncation_strip`."""
    network = styled(generator, "truncation_strip")
    if not psis:
        raise RecipeError("psis: expected factors of truncation, (0.0, 0.5, 1.0) for example, got none")
    styles = _styles_of(generator, network, n, seed, None)
    with torch.no_grad():
        rows = torch.stack([network.synthesise(network.truncate(styles, psi)).float() for psi in psis], dim=1)
    caption = (
        f"{generator.stored.about.get('experiment', generator.system)}: psi {', '.join(f'{psi:g}' for psi in psis)}"
    )
    return Grid(ImageGrid(to_pixels(rows.flatten(0, 1).clamp(-1, 1).cpu()), caption, columns=len(psis)), 2)


def _styles_of(generator: Generator, network: StyleGenerator, n: int, seed: int, truncation: float | None) -> Tensor:
    """W of the first n samples of a seed, on the generator's device."""
    samples: Samples = generator.sample(n, seed=seed)
    labels = None if samples.labels is None else samples.labels.tolist()
    styles = generator.map(samples.latents, labels=labels).to(generator.device)
    return styles if truncation is None else network.truncate(styles, truncation)
