"""Measured cost of feature extraction on this machine: seconds per image of each extractor."""

from __future__ import annotations

import time

import torch
import torchvision
from torch import nn

from papergan.data.images import ImageSpec
from papergan.extractors.domain_classifier import NUM_TURNS, DomainClassifier
from papergan.extractors.settings import ExtractorSettings
from papergan.randomness import own_random_state

INCEPTION_SIZE = 299


def seconds_per_image(
    settings: ExtractorSettings, width: int, images: ImageSpec, device: torch.device
) -> dict[str, float]:
    """Seconds to extract one image's features, by "inception", "torchvision", "domain".

    Measured on networks with random weights, so that no file is needed; both Inception networks by torchvision's, of
    the same size. width: of the domain classifier's stem. The ambient random state is not changed.
    """
    found = {}
    with own_random_state(device):
        if settings.domain:
            spec = ImageSpec(images.channels, images.size, images.num_classes or NUM_TURNS)
            network = DomainClassifier(spec, tuple(width * scale for scale in (1, 2, 4, 8)))
            found["domain"] = _seconds(network, torch.rand(100, images.channels, images.size, images.size), device)
        wanted = {"inception": settings.inception or settings.inception64, "torchvision": settings.torchvision}
        if any(wanted.values()):
            inception = torchvision.models.inception_v3(weights=None, init_weights=False)
            each = _seconds(inception, torch.rand(8, 3, INCEPTION_SIZE, INCEPTION_SIZE), device)
            found |= {name: each for name, needed in wanted.items() if needed}
    return found


@torch.no_grad()
def _seconds(network: nn.Module, images: torch.Tensor, device: torch.device) -> float:
    """Seconds per image, from the second of two passes over a batch."""
    network, images = network.eval().to(device), images.to(device)
    for _ in range(2):
        started = time.perf_counter()
        network(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - started
    return seconds / len(images)
