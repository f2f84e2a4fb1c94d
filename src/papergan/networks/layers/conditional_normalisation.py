"""Batch normalisation whose scale and shift depend on a condition: a class, or a vector that describes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """(1 + gain(c)) * BN(x) + bias(c): BatchNorm without weights of its own, then a scale and a shift by condition.

    x: [B, C, H, W]; c: [B, condition_dim]. gain and bias are linear without a bias and initialised to 0; for one-hot
    classes they are one vector per class, gamma_c = 1 + gain and beta_c, so the layer begins as plain BatchNorm. Under
    autocast 1 + gain, which bfloat16 rounds to steps of 1/128, is never computed.
    Source: Dumoulin et al. 2017 (arXiv:1610.07629), eq. 5; for generators Miyato and Koyama 2018 (arXiv:1802.05637).
    """

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(condition_dim, channels, bias=False)
        self.bias = nn.Linear(condition_dim, channels, bias=False)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, shift = self.gain(condition)[:, :, None, None], self.bias(condition)[:, :, None, None]
        normed = self.norm(x)
        return torch.addcmul(normed + shift, normed, gain)


def batch_norm(channels: int, condition_dim: int = 0) -> nn.Module:
    """BatchNorm, conditional if there is a condition; `apply_norm` calls either kind."""
    return ConditionalBatchNorm2d(channels, condition_dim) if condition_dim else nn.BatchNorm2d(channels)


def apply_norm(norm: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Apply a layer of `batch_norm` to [B, C, H, W]; condition: [B, condition_dim], None for plain BatchNorm."""
    out: Tensor = norm(x) if condition is None else norm(x, condition)
    return out
