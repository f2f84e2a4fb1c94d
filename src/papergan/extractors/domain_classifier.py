"""The domain classifier, a small classifier of the data set itself, and the feature extractors based on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.data.stacked_images import CHANNELS, stacked_classes
from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import FeatureExtractor, Features, NetworkExtractor, no_logits
from papergan.weights import Weights

KIND: Final = "domain classifier"
ROTATION_KIND: Final = "rotation classifier"
NUM_TURNS: Final = 4
BY_CHANNEL: Final = "by_channel"  # the key in a classifier's metadata that selects ChannelExtractor
PREPROCESSING: Final = "x / 127.5 - 1, float32; averages of all groups, z-scored with the training set (cat-z)"
TAP_PREPROCESSING: Final = "x / 127.5 - 1, float32; averages of the first group, z-scored with the training set"


class DomainClassifier(nn.Module):
    """A stem and three groups of convolutions; the averages after every group are the features.

    stem: conv 3x3, max pool right after it (half the cost), batch norm, ReLU. group: conv 3x3, batch norm, ReLU, twice,
    then max pool. logits: linear layer on the global maximum of the last group. features: the global averages of all
    groups, concatenated, each normalised to mean 0, deviation 1 over the training set (`feature_mean`,
    `feature_scale`).
    The early groups see noise and blur that the last one is blind to; without the scaling the last would dominate them.
    widths: channels of the stem and of each group; D = sum(widths[1:]).
    Source: this project's measurements; the classifier follows Jordan 2024, arXiv:2404.00498, in spirit only.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, images: ImageSpec, widths: Sequence[int]) -> None:
        super().__init__()
        self.tap_dimension = widths[1]
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
        maps = self.maps(images)
        averages = [one.mean(dim=(2, 3)) for one in maps]
        features = (torch.cat(averages, dim=1).float() - self.feature_mean) / self.feature_scale
        return Features(features, self.classify(maps[-1].amax(dim=(2, 3))).float())

    def maps(self, images: Tensor) -> list[Tensor]:
        """Float [B, C, S, S] in [-1, 1] -> the maps [B, K, H, W] after every group."""
        hidden, maps = self.stem(images), list[Tensor]()
        for group in self.groups:
            hidden = group(hidden)
            maps.append(hidden)
        return maps

    def tap(self, images: Tensor) -> Tensor:
        """Float [B, C, S, S] in [-1, 1] -> the first widths[1] of the features, float32; no later group is run."""
        averages: Tensor = self.groups[0](self.stem(images)).mean(dim=(2, 3)).float()
        return (averages - self.feature_mean[: self.tap_dimension]) / self.feature_scale[: self.tap_dimension]


class DomainExtractor(NetworkExtractor):
    """The frozen classifier of one data set, in float32; its metrics are called `domain_fid`, `domain_is`, never `fid`.

    A data set without classes has a classifier of quarter turns instead. It is called "rotation"; its logits carry no
    information about the data and are left out, so there is no Inception Score. Its features detect a dropped class or
    faint noise far less well than those of a classifier of labels.
    """

    preprocessing = PREPROCESSING

    def __init__(
        self,
        network: DomainClassifier,
        images: ImageSpec,
        digest: str,
        device: torch.device | str,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """images: spec of the training images. class_names: of its logits; () for a classifier of quarter turns."""
        super().__init__(network.to(memory_format=torch.channels_last).eval().requires_grad_(False), device)
        self._classifier, self.digest, self.dimension = network, digest, network.dimension
        self.name = "domain" if class_names else "rotation"
        self.class_names, self.has_logits = class_names, bool(class_names)
        self._shape: tuple[int, ...] = (images.channels, images.size, images.size)
        self._adapt()
        self.metric_prefix = f"{self.name}_"

    def _adapt(self) -> None:
        """Set name, dimension or classes of a subclass that uses other features or images; does nothing here."""

    @classmethod
    def from_weights(cls, weights: Weights, device: torch.device | str = "cpu") -> FeatureExtractor:
        """The extractor of weights that `train_domain_classifier` returned. Raises EvaluationError for any others."""
        network, images, class_names = read_classifier(weights)
        return cls(network, images, weights.digest, device, class_names)

    def _prepared(self, values: Tensor) -> Tensor:
        """Float 0..255 of the size that it was trained on -> float32 [-1, 1], channels last."""
        if tuple(values.shape[1:]) != self._shape:
            raise EvaluationError(f"the {KIND} was trained on {self._shape} images, got {tuple(values.shape[1:])}")
        # not to_model_range, which may work in place: these values are the caller's
        return values.div(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)

    def _features(self, images: Tensor) -> Features:
        features, logits = self._classifier(images)
        return Features(features, logits if self.has_logits else no_logits(features))


class DomainTap(DomainExtractor):
    """The averages of the classifier's first group alone: the first of the features of DomainExtractor.

    The domain's counterpart of Inception's first tap: edges and colours, not the objects they belong to. Its name
    ends in its dimension: "domain64" for the standard widths, "rotation64" for a classifier of quarter turns.
    """

    preprocessing = TAP_PREPROCESSING

    def _adapt(self) -> None:
        self.dimension = self._classifier.tap_dimension
        self.name = f"{self.name}{self.dimension}"
        self.class_names, self.has_logits = (), False

    def _features(self, images: Tensor) -> Features:
        features = self._classifier.tap(images)
        return Features(features, no_logits(features))


def read_classifier(weights: Weights) -> tuple[DomainClassifier, ImageSpec, tuple[str, ...]]:
    """The network, its kind of images, and its classes (none for quarter turns), from the metadata of its weights.

    Raises EvaluationError for weights of anything else.
    """
    about = weights.metadata
    if about.get("kind") not in (KIND, ROTATION_KIND):
        raise EvaluationError(f"this file holds no {KIND} but {about.get('kind', 'something unnamed')!r}; train one")
    try:
        class_names = tuple(json.loads(about["classes"]))
        if bool(class_names) != (about["kind"] == KIND):
            raise ValueError(f"a {about['kind']} with {len(class_names)} classes")
        images = ImageSpec(int(about["channels"]), int(about["size"]), len(class_names) or NUM_TURNS)
        with torch.random.fork_rng(devices=[]):
            network = DomainClassifier(images, json.loads(about["widths"]))
        network.load_state_dict(dict(weights.tensors))
    except (KeyError, ValueError, RuntimeError) as error:
        raise EvaluationError(
            f"the {about['kind']} does not fit its own description ({error}); train it again"
        ) from error
    return network, images, class_names


def _convolution(before: int, after: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)


def _halve() -> nn.Module:
    return nn.MaxPool2d(2, ceil_mode=True)  # ceil: images of 8 pixels still have one left after four halvings


class ChannelExtractor(DomainExtractor):
    """A classifier of grey images, on stacked ones: features concatenated, logits for every combination of classes.

    The logit of a combination is the sum of its channels' log-probabilities, so that the largest one is that of the
    most probable classes. Source: Lin et al. 2018 (PacGAN), arXiv:1712.04086, section 4.2, which classifies each
    channel by itself. It is built with the image spec and class names of one channel.
    """

    preprocessing = f"each channel by itself: {PREPROCESSING}"

    def _adapt(self) -> None:
        self.class_names, self.dimension = stacked_classes(self.class_names), CHANNELS * self.dimension
        self._shape = (CHANNELS, *self._shape[1:])

    def _features(self, images: Tensor) -> Features:
        features, logits = self._classifier(images.flatten(0, 1).unsqueeze(1))
        first, second, third = logits.log_softmax(1).unflatten(0, (-1, CHANNELS)).unbind(1)
        joint = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return Features(features.unflatten(0, (-1, CHANNELS)).flatten(1), joint.flatten(1))


class ChannelTap(DomainTap):
    """The averages of the first group of a classifier of grey images, on stacked ones: features concatenated."""

    preprocessing = f"each channel by itself: {TAP_PREPROCESSING}"

    def _adapt(self) -> None:
        super()._adapt()
        self.dimension, self._shape = CHANNELS * self.dimension, (CHANNELS, *self._shape[1:])

    def _features(self, images: Tensor) -> Features:
        features = self._classifier.tap(images.flatten(0, 1).unsqueeze(1)).reshape(len(images), -1)
        return Features(features, no_logits(features))
