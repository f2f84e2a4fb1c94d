"""Further methods of style-based generators: latents to styles, styles to images, style mixing, truncation strips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from papergan.errors import RecipeError
from papergan.game.priors import one_hot
from papergan.game.style_generator import StyleGenerator
from papergan.image_range import to_pixels
from papergan.inference.labels import Labels, check_count
from papergan.inference.samples import Grid, Samples
from papergan.reporting.image_grid import ImageGrid

if TYPE_CHECKING:
    from papergan.inference.generator import Array, Generator

PSIS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)


class StyleMethods:
    """Methods of `Generator` for a style-based network; they raise RecipeError for any other."""

    @property
    def _generator(self) -> Generator:
        return cast("Generator", self)

    @torch.no_grad()
    def map(self, latents: Array, *, labels: Labels = None) -> Tensor:
        """Styles w of latents [N, Z] or [Z]: float32 [N, W], for a generator with styles. labels: as for `decode`.

        Raises RecipeError if the generator has no styles, and as `decode` does.
        """
        whole = self._generator
        network, z, chosen = styled(whole, "map"), whole._checked(latents), whole._choices("map", labels, None)
        if chosen is None:
            return network.map(z.to(whole.device)).cpu()
        classes = one_hot(chosen[torch.arange(len(z)) % len(chosen)], whole.image.num_classes)
        return network.map(z.to(whole.device), classes.to(whole.device)).cpu()

    @torch.no_grad()
    def synthesise(self, w: Array, *, truncation: float | None = None, batch_size: int = 256) -> Samples:
        """Images from styles: [N, W] for all layers, or [N, L, W] for each, from the 4x4 maps on.

        The samples' latents are these styles. truncation: psi, mean + psi (w - mean), any number; None = 1.
        Raises RecipeError if the generator has no styles, and for styles of another shape.
        """
        network = styled(self._generator, "synthesise")
        parts = torch.split(checked_styles(network, torch.as_tensor(w)), batch_size)
        psi = 1.0 if truncation is None else truncation
        images = [network.synthesise(network.truncate(part.to(self._generator.device), psi)).float() for part in parts]
        return self._generator._samples(torch.cat(images), torch.cat(parts), "given styles")

    def mix(self, coarse: Array, fine: Array, *, layer: int | None = None, truncation: float | None = None) -> Samples:
        """Images with style `coarse` [N, W] before a layer and style `fine` [N, W] from it on.

        layer: counted from 0, the first at 4x4; None = half of all. truncation: as for `synthesise`.
        Raises RecipeError as `synthesise` does, and for a layer that would leave one side without layers.
        """
        network = styled(self._generator, "mix")
        first, second = (checked_styles(network, torch.as_tensor(w)) for w in (coarse, fine))
        if first.dim() != 2 or first.shape != second.shape:
            raise RecipeError(
                f"mix: expected two times styles [N, {first.shape[-1]}], got {list(first.shape)} and "
                f"{list(second.shape)}"
            )
        styles = mixed(network, first, second, checked_layer(network, layer))
        return self._generator.synthesise(styles, truncation=truncation)

    def mixing_grid(
        self,
        n: int = 6,
        *,
        seeds: tuple[int, int] = (0, 1),
        layer: int | None = None,
        truncation: float | None = None,
    ) -> Grid:
        """A picture: n samples of the first seed on the left, n of the second above, each pair mixed, see `mix`.

        Coarse styles are those of the left. Raises RecipeError as `mix` does.
        """
        check_count(n)
        generator, network = self._generator, styled(self._generator, "mixing_grid")
        first = checked_layer(network, layer)
        coarse, fine = (_styles_of(generator, network, n, seed, truncation) for seed in seeds)
        images = mixing_images(network, coarse, fine, first).cpu()
        caption = f"{_name(generator)}: seed {seeds[0]} on the left, {seeds[1]} above; {mixing_legend(first)}"
        return Grid(ImageGrid(to_pixels(images), caption, columns=n + 1), 2)

    @torch.no_grad()
    def truncation_strip(self, n: int = 4, *, seed: int = 0, psis: Sequence[float] = PSIS) -> Grid:
        """A picture: a row for each of n samples, a column for each psi; 0 is the mean style, below it the opposite.

        Raises RecipeError if the generator has no styles.
        """
        check_count(n)
        network = styled(self._generator, "truncation_strip")
        if not psis:
            raise RecipeError("psis: expected factors of truncation, (0.0, 0.5, 1.0) for example, got none")
        styles = _styles_of(self._generator, network, n, seed, None)
        rows = torch.stack([network.synthesise(network.truncate(styles, psi)).float() for psi in psis], dim=1)
        caption = f"{_name(self._generator)}: psi {', '.join(f'{psi:g}' for psi in psis)}"
        return Grid(ImageGrid(to_pixels(rows.flatten(0, 1).clamp(-1, 1).cpu()), caption, columns=len(psis)), 2)


def styled(generator: Generator, what: str) -> StyleGenerator:
    """The network of a generator with styles. Raises RecipeError for others. what: the operation, for the message."""
    network = generator.sampler.generator
    if not isinstance(network, StyleGenerator):
        raise RecipeError(
            f"{what}: a generator of system {generator.system!r} has no styles; stylegan and stylegan2 have"
        )
    return network


def checked_styles(network: StyleGenerator, styles: Tensor) -> Tensor:
    """Styles as float32 [N, W] or [N, L, W]. Raises RecipeError for another shape, or values that are not finite."""
    w = torch.as_tensor(styles, dtype=torch.float32).detach()
    layers, dim = network.num_layers, len(network.mean_style)
    shapes = (w.dim() == 2 and w.shape[1] == dim) or (w.dim() == 3 and w.shape[1:] == (layers, dim))
    if not shapes or not len(w) or not bool(w.isfinite().all()):
        raise RecipeError(f"styles: expected finite numbers [N, {dim}] or [N, {layers}, {dim}], got {list(w.shape)}")
    return w


def checked_layer(network: StyleGenerator, layer: int | None) -> int:
    """The first layer with fine styles; None = half of all. Raises RecipeError if one side would have no layers."""
    if layer is None:
        return network.num_layers // 2
    if not 1 <= layer < network.num_layers:
        raise RecipeError(
            f"layer: expected 1..{network.num_layers - 1}, the first with the other's styles, got {layer}"
        )
    return layer


def mixed(network: StyleGenerator, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
    """Styles [N, L, W] from w [N, W]: `coarse` before `layer`, counted from 0 at 4x4, `fine` from it on."""
    is_fine = (torch.arange(network.num_layers, device=coarse.device) >= layer)[:, None]
    return torch.where(is_fine, fine[:, None], coarse[:, None])


@torch.no_grad()
def mixing_images(network: StyleGenerator, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
    """The images of a style-mixing table, row by row, float [(N + 1)(M + 1), C, S, S] in [-1, 1].

    The first row has the images of `fine` [M, W], the first column those of `coarse` [N, W], the corner is black; each
    other image has the coarse styles of its row and the fine styles of its column.
    Source: Karras et al. 2019 (arXiv:1812.04948), figure 3.
    """
    top = network.synthesise(fine)
    rows = [torch.cat([torch.full_like(top[:1], -1.0), top])]
    for one in coarse:
        w = one.expand(len(fine), -1)
        rows.append(torch.cat([network.synthesise(one[None]), network.synthesise(mixed(network, w, fine, layer))]))
    return torch.cat(rows).float().clamp(-1, 1)


def mixing_legend(layer: int) -> str:
    """The caption of the table of `mixing_images`."""
    return f"styles of layers 0 to {layer - 1} from the left, of the others from above"


def _name(generator: Generator) -> object:
    return generator.stored.about.get("experiment", generator.system)


def _styles_of(generator: Generator, network: StyleGenerator, n: int, seed: int, truncation: float | None) -> Tensor:
    """The styles w of the first n samples of a seed, on the generator's device."""
    samples: Samples = generator.sample(n, seed=seed)
    labels = None if samples.labels is None else samples.labels.tolist()
    styles = generator.map(samples.latents, labels=labels).to(generator.device)
    return styles if truncation is None else network.truncate(styles, truncation)
