"""Synchronised BatchNorm: batch statistics over the images of all ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from papergan.game.sharding import batch_mean, global_count, is_shared


class _OverRanks(_BatchNorm):
    """BatchNorm with the mean and variance of all ranks' images.

    The mean is computed first, then the mean square about it: a difference of raw moments would lose digits.

    The running variance is the unbiased one of the whole batch, as in torch. Without an active shard, and in
    evaluation mode, this is torch's own layer. torch's SyncBatchNorm does not accept tensors on a CPU.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and is_shared()):
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        values = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes = (0, *range(2, values.dim()))
        shape = (1, -1, *[1] * (values.dim() - 2))
        mean = batch_mean(values, axes)
        centred = values - mean.view(shape)
        variance = batch_mean(centred.square(), axes)
        self._follow(mean.detach(), variance.detach(), global_count(values.numel() // values.shape[1]))
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var), share)


class _OverRanks1d(_OverRanks, nn.BatchNorm1d):
    pass


class _OverRanks2d(_OverRanks, nn.BatchNorm2d):
    pass


class _OverRanks3d(_OverRanks, nn.BatchNorm3d):
    pass


_SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _OverRanks1d,
    nn.BatchNorm2d: _OverRanks2d,
    nn.BatchNorm3d: _OverRanks3d,
}


def share_batch_norm(module: nn.Module) -> None:
    """Turn every BatchNorm in `module` into a synchronised one. Weights, buffers and their names are kept.

    The layers change their class in place, because optimisers and averages refer to their tensors.
    Raises ValueError for a kind of BatchNorm without a synchronised version.
    """
    for layer in module.modules():
        if type(layer) in _SHARED:
            layer.__class__ = _SHARED[type(layer)]
        elif isinstance(layer, _BatchNorm) and not isinstance(layer, _OverRanks):
            raise ValueError(f"{type(layer).__name__} cannot be shared out; add it to {__name__}")
