"""Priors that are trained with the generator: a mixture of Gaussians, and a linear map of common features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from papergan.game.priors import Gaussian, Prior, one_hot
from papergan.game.schedules import Progress
from papergan.game.sharding import per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import Term

Rescaling = Literal["none", "scalar", "per_dimension", "replace"]
PriorActivation = Literal["none", "tanh"]


class GaussianMixture(Prior):
    """z = mean_i + deviation_i * epsilon, epsilon ~ N(0, I), float32 [count, latent_dim].

    Means and deviations are trained; initial means ~ U(-1, 1), deviations ~ U(-s, s). components: K, all equally
    likely. each_once: the n-th latent of a batch is from component n mod K instead, so that a batch of K has each
    exactly once, as in the authors' code.
    Source: Gurumurthy et al. 2017 (DeLiGAN, arXiv:1706.02071), eqs. 2 to 4.
    """

    def __init__(self, latent_dim: int, components: int, *, deviation: float = 0.2, each_once: bool = False) -> None:
        super().__init__(latent_dim)
        self.components, self.each_once = components, each_once
        self.mean = nn.Parameter(torch.empty(components, latent_dim).uniform_(-1.0, 1.0))
        self.deviation = nn.Parameter(torch.empty(components, latent_dim).uniform_(-deviation, deviation))
        self.unit = Gaussian(latent_dim)

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return self._of(*self.unit(count, progress))

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        """Truncates epsilon only; every component keeps its probability."""
        return self._of(*self.unit.truncated(count, progress, threshold))

    def _of(self, epsilon: Tensor) -> tuple[Tensor, ...]:
        chosen = per_image(self._choose, len(epsilon))
        member = one_hot(chosen, self.components).to(self.mean.dtype)  # [B, K]
        with torch.autocast(epsilon.device.type, enabled=False):  # products, whose gradients are deterministic
            return (member @ self.mean + (member @ self.deviation) * epsilon,)

    def _choose(self, count: int) -> Tensor:
        if self.each_once:
            return torch.arange(count, device=self.where.device) % self.components
        return torch.randint(self.components, (count,), device=self.where.device)


class CommonFeatures(Prior):
    """z = W x + b, x ~ N(0, I_N), then mean rescaling; float32 [count, N + feature_differences]; W, b are trained.

    size: N. feature_differences: FD, None = no map, z = x [count, N]. activation: of the map; "none" is literal.
    rescaling: mu ~ U(-1, 1) is added to z, one number per latent ("scalar"; "each latent vector has a unique average",
    eq. 2) or one per dimension of it ("per_dimension"); "replace" replaces the latent's mean by mu, as in the paper's
    introduction; "none" leaves z unchanged.
    W and b are initialised like torch's linear layer, U(-1/sqrt(N), 1/sqrt(N)).
    Source: song2023, sections 3.1 and 3.2, eqs. 1 and 2. Its eq. 1 sums over N + 1 numbers, has N outputs and no b; the
    text has N, N + FD and a linear layer, which is used here.
    """

    def __init__(
        self,
        size: int,
        feature_differences: int | None,
        *,
        activation: PriorActivation = "none",
        rescaling: Rescaling = "scalar",
    ) -> None:
        super().__init__(size if feature_differences is None else size + feature_differences)
        self.unit, self.rescaling = Gaussian(size), rescaling
        self.map = nn.Identity() if feature_differences is None else nn.Linear(size, self.latent_dim)
        self.activation: Callable[[Tensor], Tensor] = torch.tanh if activation == "tanh" else nn.Identity()

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return self._of(*self.unit(count, progress))

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        """Truncates x only; mu is drawn as before."""
        return self._of(*self.unit.truncated(count, progress, threshold))

    def _of(self, x: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(x.device.type, enabled=False):
            z: Tensor = self.activation(self.map(x))
        if self.rescaling == "none":
            return (z,)
        numbers = self.latent_dim if self.rescaling == "per_dimension" else 1
        mu = per_image(lambda n: torch.rand(n, numbers, device=self.where.device), len(z)) * 2.0 - 1.0
        centre = z.mean(1, keepdim=True) if self.rescaling == "replace" else 0.0
        return (z - centre + mu,)


@dataclass(frozen=True)
class DeviationRegulariser(Term):
    """mean (1 - deviation)^2 over all components and dimensions of a GaussianMixture; for the generator.

    Without it, deviations shrink to 0, and a component to one image. Source: Gurumurthy et al. 2017 (DeLiGAN,
    arXiv:1706.02071), eq. 8.
    """

    def __call__(self, context: StepContext) -> Tensor:
        prior = context.network(self.match.source)
        assert isinstance(prior, GaussianMixture)
        return (1.0 - prior.deviation).square().mean()
