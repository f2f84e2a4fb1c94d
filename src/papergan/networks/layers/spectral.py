"""Spectral normalisation (Miyato et al. 2018, arXiv:1802.05957)."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

Module = TypeVar("Module", bound=nn.Module)


class SpectralNorm(nn.Module):
    """W / sigma(W), sigma estimated by power iteration on W as a matrix [first axis, rest] (eq. 8 and algorithm 1).

    The first axis is the OUTPUT axis for linear layers and convolutions, as in the paper, and the INPUT axis for
    transposed convolutions: this is the matrix of the convolution that they are the transpose of, which has the same
    norm. torch's own version takes [out, rest] for these, which gives another number. With sigma(W) = 1, the operator
    of a linear layer has norm 1; that of a convolution with k x k weights, stride s and zero padding, transposed or
    not, has a norm of at most ceil(k / s), since at most that many positions along each axis share a pixel.
    One iteration per forward pass in training mode, none in evaluation mode; the singular vectors are buffers.
    Computed without autocast, in float32 or, on a GPU, TF32 (see `numerics`): torch's own version runs its products in
    the autocast type, in which sigma keeps three digits.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.epsilon = epsilon
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", normalize(torch.randn(matrix.shape[0]), dim=0, eps=epsilon))
        self.register_buffer("right", normalize(torch.randn(matrix.shape[1]), dim=0, eps=epsilon))
        for _ in range(15):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            if self.training:
                self._iterate(matrix)
            # Copies, because the next pass changes the buffers while this pass's graph may still need them.
            sigma = torch.dot(self.left.clone(), torch.mv(matrix, self.right.clone()))
            return weight / sigma

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.right.copy_(normalize(torch.mv(matrix.t(), self.left), dim=0, eps=self.epsilon))
        self.left.copy_(normalize(torch.mv(matrix, self.right), dim=0, eps=self.epsilon))


def spectral_norm(module: Module) -> Module:
    """Normalise the weight of a linear layer or a convolution, transposed or not; see `SpectralNorm`."""
    weight = module.weight
    if not isinstance(weight, Tensor):
        raise TypeError(f"{type(module).__name__} has no weight to normalise")
    parametrize.register_parametrization(module, "weight", SpectralNorm(weight))
    return module
