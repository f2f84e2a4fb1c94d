"""Inception-v3 with torchvision's weights: not the network that defines FID."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from papergan.atomic_files import sha256_of
from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import Features, NetworkExtractor
from papergan.extractors.inception import RESOLUTION, trunk
from papergan.extractors.pretrained import PretrainedFile

if TYPE_CHECKING:
    from torchvision.models import Inception3

logger = logging.getLogger(__name__)

TORCHVISION_FILE = PretrainedFile(
    title="torchvision's Inception network (IMAGENET1K_V1)",
    url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
    setting="evaluation.torchvision_weights",
    instead="leave this variant out: evaluation.torchvision=false",
    last_layer=(1000, 2048),
    num_tensors=484,
)


class TorchvisionInceptionExtractor(NetworkExtractor):
    """Average-pool features [B, 2048] and logits [B, 1000] with bias, of torchvision's `inception_v3`.

    Some repositories report its distances as FID. Weights, resizing and classes differ, so they are comparable only
    with each other and are called `torchvision_fid`. They are not even comparable with those of BigGAN-PyTorch, which
    aligns corners and omits `transform_input`, and whose README refers readers to TensorFlow's network for published
    numbers. Pixels are resized with half-pixel centres and without antialiasing. Torchvision normalises
    x / 255 by the mean and deviation of ImageNet, which the network built for these weights turns back into
    (x / 255 - 0.5) / 0.5: both steps are one here. Grey images are repeated to three channels.
    Source: Szegedy et al. 2016, arXiv:1512.00567; torchvision, `Inception_V3_Weights.IMAGENET1K_V1`.
    """

    name = "torchvision"
    metric_prefix = "torchvision_"
    preprocessing = (
        "bilinear to 299 (align_corners=False, antialias=False), x / 255, ImageNet mean and deviation, "
        "transform_input, float32; avgpool 2048, logits 1000 with bias"
    )
    dimension = 2048
    class_names: tuple[str, ...] = ()
    has_logits = True

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        """weights: a file that TORCHVISION_FILE located. Raises EvaluationError if it holds something else."""
        network = _load(weights)
        last_layer = network.fc.requires_grad_(False)
        super().__init__(trunk(network, last="avgpool", without=["AuxLogits"]), device)
        self._last_layer, self.digest = last_layer.to(self.device), sha256_of(weights)
        logger.info("torchvision Inception weights %s, sha256 %s", weights, self.digest)

    def _prepared(self, values: Tensor) -> Tensor:
        """Float [B, 1 or 3, S, S] in 0..255 -> [B, 3, 299, 299] in [-1, 1], channels last."""
        images = functional.interpolate(
            values, (RESOLUTION, RESOLUTION), mode="bilinear", align_corners=False, antialias=False
        )
        return (images / 127.5 - 1).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    def _features(self, images: Tensor) -> Features:
        features = self._network(images).flatten(1)
        return Features(features, self._last_layer(features))


def _load(path: Path) -> Inception3:
    """The network that torchvision builds for these weights, without its transform_input: see `_prepared`."""
    from torchvision.models import Inception3

    state = TORCHVISION_FILE.read(path)
    with torch.random.fork_rng(devices=[]):  # its random initialisation must not change the caller's random state
        network = Inception3(aux_logits=True, init_weights=False)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise EvaluationError(f"{path} is not {TORCHVISION_FILE.title}; {TORCHVISION_FILE.how_to}") from error
    return network.eval()
