"""Inception-v3 with the TensorFlow weights of 2015, which define FID and the Inception Score."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from papergan.atomic_files import sha256_of
from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import Features, NetworkExtractor, no_logits
from papergan.extractors.pretrained import PretrainedFile

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

logger = logging.getLogger(__name__)

RESOLUTION = 299
FIRST_TAP = "MaxPool_1"


INCEPTION_FILE = PretrainedFile(
    title="the Inception network of 2015-12-05",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    setting="evaluation.inception_weights",
    instead="score with the domain classifier instead: --params evaluation.inception=false,evaluation.domain=true",
    last_layer=(1008, 2048),
    num_tensors=472,
)


class InceptionExtractor(NetworkExtractor):
    """pool3 features [B, 2048] for FID and logits [B, 1008] without bias for the Inception Score.

    The logits are `logits_unbiased` of torch-fidelity, pool3 times the weight of the last layer, from which
    Salimans et al. computed the score. Pixels are resized as TensorFlow 1 did, without half-pixel centres; half-pixel
    or bicubic resizing changes them by 8 grey levels on average and gives another metric. Grey images are repeated
    to three channels. Batch norm is folded into the convolutions (features differ by 4e-7) and memory is
    channels-last: twice as fast on a CPU.
    Source: Heusel et al. 2017, arXiv:1706.08500; Salimans et al. 2016, arXiv:1606.03498; weights: torch-fidelity.
    """

    name = "inception"
    metric_prefix = ""
    preprocessing = "TF1 bilinear to 299, (x - 128) / 128, float32; pool3 2048, logits_unbiased 1008"
    dimension = 2048
    class_names: tuple[str, ...] = ()
    has_logits = True

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        """weights: a file that INCEPTION_FILE located. Raises EvaluationError if it holds something else."""
        network = _load(weights)
        last_layer = network.fc.weight
        super().__init__(trunk(network, last="AvgPool"), device)
        self._last_layer, self.digest = last_layer.to(self.device), sha256_of(weights)
        logger.info("Inception weights %s, sha256 %s", weights, self.digest)

    def _prepared(self, values: Tensor) -> Tensor:
        return _prepared_like_tensorflow(values)

    def _features(self, images: Tensor) -> Features:
        features = self._network(images).flatten(1)
        return Features(features, features @ self._last_layer.T)


class InceptionTap(NetworkExtractor):
    """Global average of the network's first max pool, [B, 64], without any later layer: torch-fidelity's feature "64".

    64 features need few samples and give distances of order 0.1, which are easily mistaken for an excellent FID (the
    shortcut `dims=64` of pytorch-fid). It exists to identify such numbers, and must never be called FID.
    """

    name = "inception64"
    metric_prefix = "inception64_"
    preprocessing = "TF1 bilinear to 299, (x - 128) / 128, float32; average of the first max pool, 64"
    dimension = 64
    class_names: tuple[str, ...] = ()
    has_logits = False

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        """weights: the same file as for InceptionExtractor. Raises EvaluationError if it holds something else."""
        super().__init__(trunk(_load(weights), last=FIRST_TAP), device)
        self.digest = sha256_of(weights)

    def _prepared(self, values: Tensor) -> Tensor:
        return _prepared_like_tensorflow(values)

    def _features(self, images: Tensor) -> Features:
        features = self._network(images).mean(dim=(2, 3))
        return Features(features, no_logits(features))


def _prepared_like_tensorflow(values: Tensor) -> Tensor:
    """Float [B, 1 or 3, S, S] in 0..255 -> [B, 3, 299, 299] in [-1, 1), channels last, as TensorFlow 1 prepared it."""
    images = resize_like_tensorflow(values, RESOLUTION)
    return images.sub_(128).div_(128).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def resize_like_tensorflow(images: Tensor, size: int) -> Tensor:
    """Bilinear [B, C, H, W] -> [B, C, size, size], as `tf.image.resize_bilinear` of TensorFlow 1 (align_corners=False).

    Output i reads position i * H / size, from neighbours floor and floor + 1, clamped at the border; computed as two
    matrix products (12 times faster than gathering, equal to 3e-5 grey levels).
    """
    rows = _interpolation(images.shape[-2], size).to(images)
    columns = _interpolation(images.shape[-1], size).to(images)
    return rows @ images @ columns.T


def _interpolation(old: int, new: int) -> Tensor:
    position = torch.arange(new, dtype=torch.float32) * torch.tensor(old / new, dtype=torch.float32)
    low = position.long()
    fraction = position - low
    matrix = torch.zeros(new, old)
    matrix.scatter_add_(1, low[:, None], 1 - fraction[:, None])
    return matrix.scatter_add_(1, (low + 1).clamp_max(old - 1)[:, None], fraction[:, None])


def trunk(network: nn.Module, last: str, without: Collection[str] = ()) -> nn.Sequential:
    """The children of `network` in their order up to the one called `last`, frozen, batch norm folded, channels last.

    without: children that are not on the path to `last`.
    """
    children = list(network.named_children())
    end = 1 + [name for name, _ in children].index(last)
    kept = nn.Sequential(*[_folded(child) for name, child in children[:end] if name not in without])
    return kept.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _folded(module: nn.Module) -> nn.Module:
    """The same function with every batch norm folded into the convolution before it."""
    for block in module.modules():
        convolution, norm = getattr(block, "conv", None), getattr(block, "bn", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            block.conv = nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            block.bn = nn.Identity()
    return module


def _load(path: Path) -> FeatureExtractorInceptionV3:
    """torch-fidelity's network with these weights; it unpickles without restriction, so the file is checked first."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    INCEPTION_FILE.read(path)
    with torch.random.fork_rng(devices=[]):  # its random initialisation must not change the caller's random state
        try:
            # features_list must be a list and the path a str: torch-fidelity 0.4.0 fails on other types
            return FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path))
        except RuntimeError as error:
            raise EvaluationError(f"{path} is not {INCEPTION_FILE.title}; {INCEPTION_FILE.how_to}") from error
