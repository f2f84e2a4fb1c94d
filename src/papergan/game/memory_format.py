"""The memory format of weights: channels-last for 2-D convolutions, which is faster on GPUs."""

from __future__ import annotations

import torch
from torch import nn


def to_channels_last(module: nn.Module, device: torch.device | str) -> None:
    """Move a module to a device, with its four-dimensional tensors in channels-last memory.

    Five-dimensional tensors, those of 3-D convolutions, have no such format in torch and are moved as they are.
    """
    if all(tensor.dim() != 5 for tensor in (*module.parameters(), *module.buffers())):
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return
    module.to(device=device)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
