"""Magnitude pruning: the smallest weights of a network become zero."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import prune

from papergan.networks.layers.conditional_normalisation import ConditionalBatchNorm2d


def prune_weights(network: nn.Module, share: float) -> float:
    """Set the smallest `share` (0 to 1) of all weights to zero, in place.

    Ranked by the absolute values of kernels and matrices as they are stored, over all layers together; biases and
    normalisation, conditional or not, are not changed. Returns the share of the network's parameters that are zero
    afterwards.
    Han et al. 2015 (arXiv:1506.02626), section 3, without retraining.
    """
    pruned = kernels(network)
    if share > 0.0:
        for module, name in pruned:
            weight = getattr(module, name)
            weight.data = weight.data.contiguous()  # as torch's pruning requires; channels-last weights are not
        prune.global_unstructured(pruned, pruning_method=prune.L1Unstructured, amount=share)
        for module, name in pruned:
            prune.remove(module, name)  # type: ignore[no-untyped-call]
    return zero_share(network)


def kernels(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """The kernels and matrices of a network, each by its module and name; without those of conditional BatchNorm."""
    norms = [module for module in network.modules() if isinstance(module, ConditionalBatchNorm2d)]
    without = {id(module) for norm in norms for module in norm.modules()}
    layers = [module for module in network.modules() if id(module) not in without]
    return [(one, name) for one in layers for name, p in one.named_parameters(recurse=False) if p.dim() > 1]


def zero_share(network: nn.Module) -> float:
    """The share of a network's parameters that are zero."""
    parameters = list(network.parameters())
    return sum(int((p == 0).sum()) for p in parameters) / sum(p.numel() for p in parameters)
