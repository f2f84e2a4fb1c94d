"""The extractor of stacked images: the classifier of the images in their channels, applied to each channel."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from papergan.data.images import ImageSpec
from papergan.data.stacked_images import CHANNELS, stacked_classes
from papergan.extractors.domain_classifier import PREPROCESSING, DomainClassifier, DomainExtractor
from papergan.extractors.feature_extractor import Features

BY_CHANNEL: Final = "by_channel"  # the key in the classifier's metadata that says so


class ChannelExtractor(DomainExtractor):
    """A classifier of grey images on stacked ones: features side by side, logits of every combination of classes.

    The logit of a combination is the sum of its channels' log-probabilities, so that the largest one is the combination
    of the most probable classes. Source: Lin et al. 2018 (PacGAN), arXiv:1712.04086, section 4.2, which classifies each
    channel by itself.
    """

    preprocessing = f"each channel by itself: {PREPROCESSING}"

    def __init__(
        self,
        network: DomainClassifier,
        images: ImageSpec,
        digest: str,
        device: torch.device | str,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """images, class_names: of one channel."""
        super().__init__(network, images, digest, device, stacked_classes(class_names))
        self.dimension = CHANNELS * network.dimension
        self._shape = (CHANNELS, images.size, images.size)

    def _features(self, images: Tensor) -> Features:
        features, logits = self._classifier(images.flatten(0, 1).unsqueeze(1))
        first, second, third = logits.log_softmax(1).unflatten(0, (-1, CHANNELS)).unbind(1)
        joint = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return Features(features.unflatten(0, (-1, CHANNELS)).flatten(1), joint.flatten(1))
