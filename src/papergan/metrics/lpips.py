"""LPIPS: the distance between the two images of a pair in a network's features, weighted to match human perception."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from papergan.atomic_files import sha256_of
from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import full_precision
from papergan.extractors.pretrained import PretrainedFile
from papergan.extractors.settings import ExtractorSettings
from papergan.image_range import to_model_range

logger = logging.getLogger(__name__)

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of red, green and blue in [-1, 1]
AT_ONCE = 32  # pairs
WITHOUT = "do without LPIPS: leave evaluation.lpips_weights and evaluation.lpips_backbone out"


@dataclass(frozen=True)
class Backbone:
    """A network of torchvision. layers: those of its `features` whose outputs, after activation, are compared.

    channels: of each layer. smallest: the side of the smallest images that it accepts. file: its weights. linear: the
    weights of the channels.
    """

    layers: tuple[int, ...]
    channels: tuple[int, ...]
    smallest: int
    file: PretrainedFile
    linear: PretrainedFile


_torchvision = partial(
    PretrainedFile, setting="evaluation.lpips_backbone", instead=WITHOUT, by_hand=True
)  # fmt: skip
_authors = partial(
    PretrainedFile, setting="evaluation.lpips_weights", instead=WITHOUT, by_hand=True, num_tensors=5,
    last_name="lin4.model.1.weight", megabytes=0,
)  # fmt: skip
_LINEAR = "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/"
BACKBONES = {
    "alex": Backbone(
        (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), 31,
        _torchvision(
            "torchvision's AlexNet (IMAGENET1K_V1)", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            last_layer=(256, 256, 3, 3), num_tensors=16, last_name="features.10.weight", megabytes=233,
        ),
        _authors("the weights of LPIPS for AlexNet, v0.1", f"{_LINEAR}alex.pth", last_layer=(1, 256, 1, 1)),
    ),
    "vgg": Backbone(
        (3, 8, 15, 22, 29), (64, 128, 256, 512, 512), 16,
        _torchvision(
            "torchvision's VGG16 (IMAGENET1K_V1)", "https://download.pytorch.org/models/vgg16-397923af.pth",
            last_layer=(512, 512, 3, 3), num_tensors=32, last_name="features.28.weight", megabytes=528,
        ),
        _authors("the weights of LPIPS for VGG16, v0.1", f"{_LINEAR}vgg.pth", last_layer=(1, 512, 1, 1)),
    ),
}  # fmt: skip


class LPIPS(nn.Module):
    """LPIPS of pairs, version 0.1: two batches [B, 1 or 3, H, W] in [-1, 1] to distances [B]; 0 = identical.

    d(x, x') = sum_l 1 / (H_l W_l) sum_hw sum_c w_lc (y_lhwc - y'_lhwc)^2, where y_l are the outputs of layer l, of unit
    length over the channels at every position, and w_l the weights of its channels. Images are not resized: distances
    of different sizes cannot be compared. Grey images are repeated to three channels.
    network: "alex" or "vgg". backbone_digest, weights_digest: SHA-256 of the two files.
    Source: Zhang et al. 2018, arXiv:1801.03924, eq. 1, with weights on the squares as in its code.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, network: str, features: nn.Sequential, weights: Sequence[Tensor], *, backbone_digest: str = "",
        weights_digest: str = "",
    ) -> None:  # fmt: skip
        """features: the backbone's. weights: of the channels, [1, C_l, 1, 1] for each compared layer."""
        super().__init__()
        self.network, self.backbone_digest, self.weights_digest = network, backbone_digest, weights_digest
        ends = [layer + 1 for layer in BACKBONES[network].layers]
        self.stages = nn.ModuleList(features[a:b] for a, b in zip([0, *ends], ends, strict=False))
        for name, values in (("shift", SHIFT), ("scale", SCALE)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        self.weights = nn.ParameterList(weights)
        self.requires_grad_(False).eval()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        one, other = ((images.expand(-1, 3, -1, -1) - self.shift) / self.scale for images in (first, second))
        distance = first.new_zeros(len(first))
        for stage, weights in zip(self.stages, self.weights, strict=True):
            one, other = stage(one), stage(other)
            squares = (normalize(one, eps=1e-10) - normalize(other, eps=1e-10)).square()
            distance = distance + (weights * squares).sum(1).mean((1, 2))
        return distance

    @torch.inference_mode()
    def mean(self, first: Tensor, second: Tensor) -> float:
        """The mean over pairs of uint8 [N, C, H, W]."""
        total, device = 0.0, self.weights[0].device
        with full_precision(device):
            for parts in zip(torch.split(first, AT_ONCE), torch.split(second, AT_ONCE), strict=True):
                total += float(self(*(to_model_range(part.to(device)) for part in parts)).double().sum())
        return total / len(first)


def lpips_of(settings: ExtractorSettings, size: int, device: torch.device | str = "cpu") -> LPIPS | None:
    """LPIPS with the files of these settings, for images of `size` pixels; None if they name no weights.

    Raises EvaluationError, in one line, for a missing or wrong file, and for images that are too small.
    """
    if settings.lpips_weights is None:
        return None
    network = settings.lpips_network
    backbone = BACKBONES[network]
    if size < backbone.smallest:
        raise EvaluationError(
            f"evaluation.lpips_network: {network} takes images of {backbone.smallest} pixels or more, these have "
            f"{size}; {WITHOUT}"
        )
    files = backbone.linear.locate(settings.lpips_weights), backbone.file.locate(settings.lpips_backbone)
    weights, features = _weights(backbone, files[0]), _features(network, files[1])
    digests = [sha256_of(file) for file in files]
    logger.info(
        "LPIPS by %s: weights %s, sha256 %s; %s, sha256 %s", network, files[0], digests[0], files[1], digests[1]
    )
    return LPIPS(network, features, weights, weights_digest=digests[0], backbone_digest=digests[1]).to(device)


def _weights(backbone: Backbone, path: Path) -> list[Tensor]:
    """The weights of the channels of each layer, [1, C, 1, 1]."""
    state = backbone.linear.read(path)
    names = {f"lin{layer}.model.1.weight": (1, count, 1, 1) for layer, count in enumerate(backbone.channels)}
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != names:
        raise _other(backbone.linear, path)
    return [state[name].float() for name in names]


def _features(network: str, path: Path) -> nn.Sequential:
    from torchvision.models import alexnet, vgg16

    file = BACKBONES[network].file
    state = file.read(path)
    with torch.device("meta"):  # without a random initialisation
        features: nn.Sequential = (alexnet if network == "alex" else vgg16)().features
    own = {name.removeprefix("features."): one.float() for name, one in state.items() if name.startswith("features.")}
    try:
        features.load_state_dict(own, assign=True)
    except RuntimeError as error:
        raise _other(file, path) from error
    return features


def _other(file: PretrainedFile, path: Path) -> EvaluationError:
    return EvaluationError(f"{path} is not {file.title}; {file.how_to}")
