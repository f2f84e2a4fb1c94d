"""Fixed networks whose feature maps a generator is trained to match: the data set's classifier, and VGG19."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from papergan.errors import EvaluationError
from papergan.extractors.domain_classifier import BY_CHANNEL, DomainClassifier, read_classifier
from papergan.extractors.pretrained import PretrainedFile
from papergan.extractors.settings import ExtractorSettings
from papergan.game.game import Game
from papergan.objectives.fixed_features import fixed_features
from papergan.weights import Weights

logger = logging.getLogger(__name__)

RELU5_4: Final = 36  # layers of torchvision's `features` up to the activation of conv5_4
IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

VGG19_FILE = PretrainedFile(
    title="torchvision's VGG19 (IMAGENET1K_V1)",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    setting="evaluation.vgg19_weights",
    instead="take the data set's own classifier: overrides.content=domain_classifier",
    last_layer=(1000, 4096),
    num_tensors=38,
    last_name="classifier.6.weight",
    megabytes=550,
    by_hand=True,
)


class ClassifierMaps(nn.Module):
    """Images [B, C, S, S] in [-1, 1] -> the maps of every group of a domain classifier, each divided by sqrt(K).

    So that a squared difference summed over its K channels is their mean. Source: ours, after Johnson et al. 2016
    (arXiv:1603.08155).
    """

    def __init__(self, classifier: DomainClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.classifier.maps(images)
        return tuple(one / math.sqrt(one.shape[1]) for one in maps)


class VGG19Maps(nn.Module):
    """Images [B, 1 or 3, S, S] in [-1, 1] -> the map of VGG19's conv5_4 after its activation, divided by 12.75.

    S: 16 or more. Pixels are normalised as torchvision does for these weights; grey images are repeated.
    Source: Simonyan and Zisserman 2015, arXiv:1409.1556; Ledig et al. 2017 (arXiv:1609.04802), sections 2.2.1 and 3.2.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: nn.Module) -> None:
        """layers: torchvision's `vgg19().features`, up to the activation of conv5_4."""
        super().__init__()
        self.layers = layers
        for name, values in zip(("mean", "deviation"), IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        pixels = (images.expand(-1, 3, -1, -1) + 1) / 2
        return (self.layers((pixels - self.mean) / self.deviation) / 12.75,)


def check_fixed(kind: str, settings: ExtractorSettings) -> None:
    """Raise EvaluationError if a fixed network of this kind is not available: no file, or no classifier is trained."""
    if kind == "vgg19":
        VGG19_FILE.locate(settings.vgg19_weights)
    elif not settings.domain:
        raise EvaluationError("content: domain_classifier needs the data set's classifier: set evaluation.domain=true")


def fixed_network(kind: str, settings: ExtractorSettings, classifier: Weights, device: torch.device) -> nn.Module:
    """The network of this kind, frozen, in evaluation mode. Raises EvaluationError if it is not available."""
    check_fixed(kind, settings)
    network = _vgg19(VGG19_FILE.locate(settings.vgg19_weights)) if kind == "vgg19" else _classifier(classifier)
    return network.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload, no-any-return]


def give_fixed_networks(game: Game, settings: ExtractorSettings, classifier: Weights) -> dict[str, str]:
    """Give the terms of a game the fixed networks that they need; returns the digest of each, by kind.

    Raises EvaluationError if one is not available.
    """
    networks, digests = dict[str, nn.Module](), dict[str, str]()
    for features in fixed_features(game):
        if (kind := features.kind) not in networks:
            networks[kind] = fixed_network(kind, settings, classifier, game.device)
            digests[kind] = Weights(networks[kind].state_dict()).digest
            logger.info("Features of %s, fixed, sha256 %s", kind, digests[kind])
        features.use(networks[kind])
    return digests


def _classifier(weights: Weights) -> nn.Module:
    if BY_CHANNEL in weights.metadata:
        raise EvaluationError("content: domain_classifier is not for stacked images, whose classifier sees one channel")
    network, _, _ = read_classifier(weights)
    return ClassifierMaps(network)


def _vgg19(path: Path) -> nn.Module:
    from torchvision.models import vgg19

    state = VGG19_FILE.read(path)
    with torch.random.fork_rng(devices=[]):  # its random initialisation must not change the caller's random state
        network = vgg19(init_weights=False)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise EvaluationError(f"{path} is not {VGG19_FILE.title}; {VGG19_FILE.how_to}") from error
    return VGG19Maps(network.features[:RELU5_4])
