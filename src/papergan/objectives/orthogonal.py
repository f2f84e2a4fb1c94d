"""Orthogonal regularisation: a penalty on the inner products of different rows of every weight matrix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.game.step_context import StepContext
from papergan.game.terms import Term


def orthogonality(weights: Collection[Tensor]) -> Tensor:
    """Sum over W of ||W W^T o (1 - I)||_F^2, W as a matrix [outputs, rest]; weights below two axes are left out.

    A float32 scalar. Source: Brock et al. 2019 (arXiv:1809.11096), eq. 3, where W is [inputs, outputs].
    """
    squares = []
    for weight in weights:
        if weight.ndim >= 2:
            products = weight.flatten(1) @ weight.flatten(1).t()
            squares.append((products - products.diagonal().diag()).square().sum())
    return torch.stack(squares).sum()


@dataclass(frozen=True)
class OrthogonalRegularisation(Term):
    """beta ||W W^T o (1 - I)||_F^2 over the generator's weights, before spectral normalisation.

    without: parts of the names of weights to leave out. The paper leaves out class embeddings, the authors' code only
    the shared one. That code adds beta * 2 (W W^T o (1 - I)) W to the gradient, half of the equation's: a weight there
    has half of the effect that it has here.
    Computed without autocast, in float32 or, on a GPU, TF32 (see `numerics`). Source: Brock et al. 2019
    (arXiv:1809.11096), eq. 3, beta 1e-4.
    """

    without: frozenset[str] = frozenset()

    def __call__(self, context: StepContext) -> Tensor:
        network: nn.Module = context.network(self.match.generator)
        weights = [w for name, w in network.named_parameters() if self.without.isdisjoint(name.split("."))]
        with torch.autocast(weights[0].device.type, enabled=False):
            return orthogonality(weights)
