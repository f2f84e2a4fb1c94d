"""Magnitude pruning: the smallest weights of a network become zero."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import prune


def prune_weights(network: nn.Module, share: float) -> float:
    """Set the smallest `share` (0 to 1) of all weights to zero, in place.

    Ranked by the absolute values of kernels and matrices as they are stored, over all layers together; biases and
    normalisation are not changed. Returns the share of the network's parameters that are zero afterwards.
    Han et al. 2015 (arXiv:1506.02626), section 3, without retraining.
    """
    pruned = [(m, name) for m in network.modules() for name, p in m.named_parameters(recurse=False) if p.dim() > 1]
    if share > 0.0:
        for module, name in pruned:
            weight = getattr(module, name)
            weight.data = weight.data.contiguous()  # as torch's pruning requires; channels-last weights are not
        prune.global_unstructured(pruned, pruning_method=prune.L1Unstructured, amount=share)
        for module, name in pruned:
            prune.remove(module, name)  # type: ignore[no-untyped-call]
    return zero_share(network)


def zero_share(network: nn.Module) -> float:
    """The share of a network's parameters that are zero."""
    parameters = list(network.parameters())
    return sum(int((p == 0).sum()) for p in parameters) / sum(p.numel() for p in parameters)
