"""The memory of weights: channels-last for layers of images, which GPUs convolve faster."""

from __future__ import annotations

import torch
from torch import nn


def to_channels_last(module: nn.Module, device: torch.device | str) -> None:
    """Move a module to a device, its tensors of four axes in channels-last memory.

    Where there are tensors of five axes, those of 3-D convolutions, for which torch has no such format, these are moved
    as they are.
    """
    if all(tensor.dim() != 5 for tensor in (*module.parameters(), *module.buffers())):
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return
    module.to(device=device)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
