"""A small classifier of the data set itself, as feature extractor: scores without any download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.errors import EvaluationError
from papergan.evaluation.features import FeatureExtractor, Features, check_pixels, full_precision
from papergan.pixels import to_model_range
from papergan.weights import Weights

KIND: Final = "domain classifier"
PREPROCESSING: Final = "x / 127.5 - 1, float32; averages of all groups, z-scored with the training set (cat-z)"


class DomainClassifier(nn.Module):
    """Stem and three groups of convolutions; its averages after every group are the features.

    stem: conv 3x3, max pool at once (half the cost), batch norm, ReLU. group: conv 3x3, batch norm, ReLU, twice, then
    max pool. logits: linear of the global maximum of the last group. features: the global averages of all groups side
    by side, each shifted and scaled to mean 0, deviation 1 over the training set (`feature_mean`, `feature_scale`).
    The early groups see noise and blur that the last one is blind to; without the scaling the last would drown them.
    widths: channels of the stem and of each group; D = sum(widths[1:]).
    Source: this project's measurements; the classifier follows Jordan 2024, arXiv:2404.00498, in spirit only.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, images: ImageSpec, widths: Sequence[int]) -> None:
        super().__init__()
        self.dimension = sum(widths[1:])
        first, norm, activation = _convolution(images.channels, widths[0])
        self.stem = nn.Sequential(first, _halve(), norm, activation)
        self.groups = nn.ModuleList(
            nn.Sequential(*_convolution(before, after), *_convolution(after, after), _halve())
            for before, after in pairwise(widths)
        )
        self.classify = nn.Linear(widths[-1], images.num_classes)
        self.register_buffer("feature_mean", torch.zeros(self.dimension))
        self.register_buffer("feature_scale", torch.ones(self.dimension))

    def forward(self, images: Tensor) -> Features:
        """Float [B, C, S, S] in [-1, 1] -> features float32 [B, D], logits float32 [B, K]."""
        hidden = self.stem(images)
        averages = []
        for group in self.groups:
            hidden = group(hidden)
            averages.append(hidden.mean(dim=(2, 3)))
        features = (torch.cat(averages, dim=1).float() - self.feature_mean) / self.feature_scale
        return Features(features, self.classify(hidden.amax(dim=(2, 3))).float())


class DomainExtractor:
    """The frozen classifier of one data set, in float32; its metrics are called `domain_fid`, `domain_is`, never `fid`.

    dataset: name of the images it was trained on. test_accuracy: 0..1, how far its features can be trusted.
    """

    name = "domain"
    metric_prefix = "domain_"
    preprocessing = PREPROCESSING

    def __init__(self, network: DomainClassifier, images: ImageSpec, digest: str, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.digest = digest
        self.dimension = network.dimension
        self._shape = (images.channels, images.size, images.size)
        self._network = network.to(self.device).to(memory_format=torch.channels_last).eval().requires_grad_(False)

    @classmethod
    def from_weights(cls, weights: Weights, device: torch.device | str = "cpu") -> FeatureExtractor:
        """Read what `train_domain_classifier` returned. Raises EvaluationError for anything else."""
        about = weights.metadata
        if about.get("kind") != KIND:
            raise EvaluationError(
                f"this file holds no {KIND} but {about.get('kind', 'something unnamed')!r}; train one"
            )
        try:
            images = ImageSpec(int(about["channels"]), int(about["size"]), len(json.loads(about["classes"])))
            with torch.random.fork_rng(devices=[]):
                network = DomainClassifier(images, json.loads(about["widths"]))
            network.load_state_dict(dict(weights.tensors))
        except (KeyError, ValueError, RuntimeError) as error:
            raise EvaluationError(f"the {KIND} does not fit its own description ({error}); train it again") from error
        return cls(network, images, weights.digest, device)

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] of the size it was trained on -> features [B, D], logits [B, K]."""
        check_pixels(pixels)
        if tuple(pixels.shape[1:]) != self._shape:
            raise EvaluationError(f"the {KIND} was trained on {self._shape} images, got {tuple(pixels.shape[1:])}")
        with full_precision(self.device):
            images = to_model_range(pixels.to(self.device)).contiguous(memory_format=torch.channels_last)
            features, logits = self._network(images)
            return Features(features, logits)


def _convolution(before: int, after: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)


def _halve() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)  # ceil: images of 8 pixels still have one left after four halvings
