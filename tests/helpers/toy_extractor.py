"""Extractors for tests: one whose features can be computed by hand, and Inception with random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from papergan.extractors.feature_extractor import Features, check_pixels, check_values, no_logits


@dataclass
class PixelExtractor:
    """features: channel means [B, 3]; logits: the same, scaled."""

    name: str = "domain"
    metric_prefix: str = "domain_"
    digest: str = "d" * 64
    preprocessing: str = "channel means"
    dimension: int = 3
    class_names: tuple[str, ...] = ()
    has_logits: bool = True

    def __call__(self, pixels: Tensor) -> Features:
        check_pixels(pixels)
        return self.extract_float(pixels.float())

    def extract_float(self, values: Tensor) -> Features:
        check_values(values)
        means = values.mean(dim=(2, 3))
        return Features(means, means / 16 if self.has_logits else no_logits(means))


def save_random_inception(path: Path) -> Path:
    """A file with the names and shapes of torch-fidelity's; the numbers are random, the real ones are not needed."""
    network = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(network, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(network.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        state = network.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).state_dict()
    for name in state:
        if name.endswith("running_var"):
            state[name].fill_(0.15)  # keeps features and logits of order 1 through 94 layers
    state["fc.bias"].fill_(5)  # so that logits with the bias would be far from those without
    torch.save(state, path)
    return path
