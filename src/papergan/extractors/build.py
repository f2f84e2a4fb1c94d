"""Building the feature extractors that settings choose, once per process."""

from __future__ import annotations

from pathlib import Path

import torch

from papergan.extractors.domain_classifier import BY_CHANNEL, ChannelExtractor, ChannelTap, DomainExtractor, DomainTap
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.extractors.inception import INCEPTION_FILE, InceptionExtractor, InceptionTap
from papergan.extractors.settings import ExtractorSettings
from papergan.extractors.torchvision_inception import TORCHVISION_FILE, TorchvisionInceptionExtractor
from papergan.weights import Weights

_newest: dict[tuple[object, ...], list[FeatureExtractor]] = {}  # at most one entry


def weight_files(settings: ExtractorSettings) -> dict[str, Path]:
    """The published files that these extractors need, by the setting that names a copy; downloaded if allowed.

    Raises EvaluationError if one is missing and may not be downloaded.
    """
    files = {}
    if settings.inception or settings.inception64:
        files["inception_weights"] = INCEPTION_FILE.locate(settings.inception_weights, settings.allow_download)
    if settings.torchvision:
        files["torchvision_weights"] = TORCHVISION_FILE.locate(settings.torchvision_weights, settings.allow_download)
    return files


def build_extractors(
    settings: ExtractorSettings, device: torch.device, domain_classifier: Weights
) -> list[FeatureExtractor]:
    """New feature extractors on this device; the first one decides which epoch is best."""
    files, built = weight_files(settings), list[FeatureExtractor]()
    if settings.inception:
        built.append(InceptionExtractor(files["inception_weights"], device))
    if settings.inception64:
        built.append(InceptionTap(files["inception_weights"], device))
    stacked = BY_CHANNEL in domain_classifier.metadata
    if settings.domain:
        built.append((ChannelExtractor if stacked else DomainExtractor).from_weights(domain_classifier, device))
    if settings.domain64:
        built.append((ChannelTap if stacked else DomainTap).from_weights(domain_classifier, device))
    if settings.torchvision:
        built.append(TorchvisionInceptionExtractor(files["torchvision_weights"], device))
    return built


def extractors_of(
    settings: ExtractorSettings, device: torch.device, domain_classifier: Weights
) -> list[FeatureExtractor]:
    """The extractors of these settings, as `build_extractors` makes them, built once and kept for later calls.

    Only the newest are kept: a call with other settings, another device or another classifier frees them first.
    """
    chosen = tuple(getattr(settings, name) for name in ExtractorSettings.model_fields)
    key = (*chosen, str(device), domain_classifier.digest, *sorted(domain_classifier.metadata.items()))
    if key not in _newest:
        _newest.clear()
        _newest[key] = build_extractors(settings, device, domain_classifier)
    return _newest[key]


def fastest(extractors: list[FeatureExtractor]) -> FeatureExtractor:
    """The fastest extractor: the data set's own classifier if there is one, else the first."""
    own = [extractor for extractor in extractors if extractor.name in ("domain", "rotation")]
    return (own or extractors)[0]
