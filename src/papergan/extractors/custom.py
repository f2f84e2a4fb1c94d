"""Any network or function of one's own as a feature extractor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import Features, check_pixels, check_values, no_logits
from papergan.weights import Weights

Network = Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]


class CustomExtractor:
    """Features of a network or function that takes float32 [B, C, S, S] in 0..255.

    It returns features [B, D], or features and logits [B, K]. What it does to the pixels is its own business. A
    network is put into evaluation mode and its weights are its identity; of a function the name is.
    """

    name, metric_prefix = "custom", "custom_"
    preprocessing = "of its own"
    class_names: tuple[str, ...] = ()

    def __init__(self, network: Network, device: torch.device | str = "cpu") -> None:
        self._network, self.device = network, torch.device(device)
        if isinstance(network, nn.Module):
            network.to(self.device).eval()
            self.digest = Weights(network.state_dict()).digest
        else:
            self.digest = hashlib.sha256(getattr(network, "__qualname__", self.name).encode()).hexdigest()
        self.dimension, self.has_logits = 0, False  # known after the first batch

    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] -> features and logits."""
        check_pixels(pixels)
        return self.extract_float(pixels.float())

    @torch.inference_mode()
    def extract_float(self, values: Tensor) -> Features:
        """Float [B, C, S, S] in 0..255 -> features and logits. Raises EvaluationError for any other output."""
        check_values(values)
        output = self._network(values.to(self.device, torch.float32))
        features, logits = output if isinstance(output, tuple) else (output, no_logits(output))
        if features.ndim != 2 or logits.ndim != 2 or len(features) != len(values) != len(logits) != len(values):
            raise EvaluationError(
                f"extractor {self.name}: expected features [{len(values)}, D], got {list(features.shape)}"
            )
        self.dimension, self.has_logits = features.shape[1], logits.shape[1] > 0
        return Features(features.float(), logits.float())
