"""Building the feature extractors of an evaluation."""

from __future__ import annotations

import torch

from papergan.config.evaluation import MeasuringRecipe
from papergan.extractors.domain_classifier import DomainExtractor, DomainTap
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.extractors.inception import InceptionExtractor, InceptionTap, locate_inception_weights
from papergan.extractors.torchvision_inception import TorchvisionInceptionExtractor, locate_torchvision_weights
from papergan.weights import Weights


def extractors_of(how: MeasuringRecipe, device: torch.device, domain_classifier: Weights) -> list[FeatureExtractor]:
    """The feature extractors of an evaluation; the first one decides which epoch is best."""
    chosen: list[FeatureExtractor] = []
    if how.inception or how.inception64:
        where = locate_inception_weights(how.inception_weights, how.allow_download)
        chosen += [InceptionExtractor(where, device)] if how.inception else []
        chosen += [InceptionTap(where, device)] if how.inception64 else []
    if how.domain:
        chosen.append(DomainExtractor.from_weights(domain_classifier, device))
    if how.domain64:
        chosen.append(DomainTap.from_weights(domain_classifier, device))
    if how.torchvision:
        where = locate_torchvision_weights(how.torchvision_weights, how.allow_download)
        chosen.append(TorchvisionInceptionExtractor(where, device))
    return chosen
