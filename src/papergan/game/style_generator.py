"""Generators with styles: a mapping network from z to w, and a synthesis network with a style for every layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.priors import Gaussian
from papergan.game.schedules import Progress
from papergan.game.sharding import batch_mean, per_image


class StyleLatents(Gaussian):
    """z ~ N(0, I) for a generator that truncates in W: latents are the same under any psi."""

    truncates = False

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        return super().forward(count, progress)


class StyleGenerator(nn.Module):
    """G(z) = g(w, ..., w) with w = f(z): latents [B, Z], and one-hot classes [B, K] if there are any, to images.

    mapping: latents, classes -> w [B, W]. synthesis: styles [B, L, W] for its `num_layers` layers -> images
    [B, C, S, S], unbounded. mixing: the probability of style mixing in training: from a random layer on, layers use
    the styles of another latent; drawn once per batch. decay: of the running mean of w, updated only in training.
    Truncation: w' = mean + psi (w - mean); if weights are averages, call `estimate_mean` first.
    Source: Karras et al. 2019 (arXiv:1812.04948), sections 2 and 3.1, appendix B.
    """

    mean_style: Tensor

    def __init__(
        self, mapping: nn.Module, synthesis: nn.Module, style_dim: int, *, mixing: float, decay: float
    ) -> None:
        super().__init__()
        self.mapping, self.synthesis, self.mixing, self.decay = mapping, synthesis, mixing, decay
        self.register_buffer("mean_style", torch.zeros(style_dim))

    @property
    def num_layers(self) -> int:
        """The number of layers that take a style, not counting those that turn feature maps into pixels."""
        return int(self.synthesis.num_layers)  # type: ignore[arg-type]

    def map(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """Latents to w, [B, W], float32."""
        style: Tensor = self.mapping(latent, classes)
        return style

    def truncate(self, style: Tensor, psi: float) -> Tensor:
        """Truncate in W: mean + psi (w - mean), the same shape [..., W]; psi 0 gives the mean, 1 changes nothing."""
        return self.mean_style + psi * (style - self.mean_style)

    def synthesise(self, styles: Tensor) -> Tensor:
        """Images from styles, [B, W] for all layers or [B, L, W] for each."""
        images: Tensor = self.synthesis(styles if styles.dim() == 3 else self.for_layers(styles))
        return images

    def for_layers(self, style: Tensor) -> Tensor:
        """One w for every layer: [B, W] -> [B, L, W]."""
        return style[:, None].expand(-1, self.num_layers, -1)

    def styles(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        """The styles of a batch, [B, L, W]; in training, mixed, and the running mean of w is updated."""
        style = self.map(latent, classes)
        styles = self.for_layers(style)
        if not self.training:
            return styles
        with torch.no_grad():
            self.mean_style.lerp_(batch_mean(style.detach()), 1.0 - self.decay)
        return self._mixed(styles, latent, classes) if self.mixing else styles

    def _mixed(self, styles: Tensor, latent: Tensor, classes: Tensor | None) -> Tensor:
        """With the mixing probability, use another latent's styles from a layer drawn uniformly from 1..L - 1 on."""
        device, layers = latent.device, self.num_layers
        other = self.map(per_image(lambda n: torch.randn(n, latent.shape[1], device=device), len(latent)), classes)
        first = torch.randint(1, layers, (), device=device)
        is_mixed = torch.rand((), device=device) < self.mixing
        of_other = (torch.arange(layers, device=device) >= first) & is_mixed
        return torch.where(of_other[:, None], other[:, None], styles)

    def forward(self, latent: Tensor, classes: Tensor | None = None, truncation: float | None = None) -> Tensor:
        """Generate images. truncation: psi, None = 1."""
        styles = self.styles(latent, classes)
        return self.synthesise(styles if truncation is None else self.truncate(styles, truncation))

    @torch.no_grad()
    def estimate_mean(self, latent: Tensor, classes: Tensor | None = None) -> None:
        """Set the mean of w to the mean over these latents, under the present weights."""
        self.mean_style.copy_(self.map(latent, classes).mean(0))
