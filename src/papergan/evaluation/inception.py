"""Inception-v3 with the TensorFlow weights of 2015: the network that FID and the Inception Score are defined by."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from papergan.errors import EvaluationError
from papergan.evaluation.features import Features, check_pixels, full_precision
from papergan.files import sha256_of

if TYPE_CHECKING:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

logger = logging.getLogger(__name__)

FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE_NAME}"
NUM_TENSORS = 566
LAST_LAYER = (1008, 2048)
RESOLUTION = 299
HOW_TO = (
    f"download {URL} (96 MB) and set evaluation.inception_weights=<file>, "
    "or let it be downloaded (evaluation.allow_download=true), "
    "or score with the domain classifier instead: evaluation.inception=false evaluation.domain=true"
)


def locate_inception_weights(path: Path | str | None = None, allow_download: bool = False) -> Path:
    """The weights file: `path`, else the one in torch's hub cache, else (if allowed) a fresh download into that cache.

    Cheap unless it downloads: call it before training, so that a run without weights fails in its first second.
    Raises EvaluationError, in one line that says how to get the file and how to do without.
    """
    if path is not None:
        given = Path(path).expanduser()
        if not given.is_file():
            raise EvaluationError(f"evaluation.inception_weights: there is no file {given}; {HOW_TO}")
        return given
    cached = Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if not cached.is_file():
        if not allow_download:
            raise EvaluationError(f"the Inception weights are not at {cached}; {HOW_TO}")
        _download(cached)
    return cached


class InceptionExtractor:
    """pool3 features [B, 2048] for FID and logits [B, 1008] without bias for the Inception Score.

    The logits are `logits_unbiased` of torch-fidelity, pool3 times the weight of the last layer: what the score of
    Salimans et al. was computed from. Pixels are resized as TensorFlow 1 did, without half-pixel centres; half-pixel
    or bicubic resizing changes them by 8 grey levels on average and gives another metric. Grey images are repeated
    to three channels. Batch norm is folded into the convolutions (features differ by 4e-7) and memory is
    channels-last: twice as fast on a CPU.
    Source: Heusel et al. 2017, arXiv:1706.08500; Salimans et al. 2016, arXiv:1606.03498; weights: torch-fidelity.
    """

    name = "inception"
    metric_prefix = ""
    preprocessing = "TF1 bilinear to 299, (x - 128) / 128, float32; pool3 2048, logits_unbiased 1008"
    dimension = LAST_LAYER[1]

    def __init__(self, weights: Path, device: torch.device | str = "cpu") -> None:
        """weights: a file that `locate_inception_weights` found. Raises EvaluationError if it holds something else."""
        self.device = torch.device(device)
        self.digest = sha256_of(weights)
        network = _load(weights)
        self._last_layer = network.fc.weight.to(self.device)
        trunk = nn.Sequential(*[_folded(child) for name, child in network.named_children() if name != "fc"])
        self._trunk = trunk.to(self.device).to(memory_format=torch.channels_last)
        logger.info("Inception weights %s, sha256 %s", weights, self.digest)

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, 1 or 3, S, S] -> features [B, 2048], logits [B, 1008]."""
        check_pixels(pixels)
        with full_precision(self.device):
            images = resize_like_tensorflow(pixels.to(self.device).float(), RESOLUTION)
            images = images.sub_(128).div_(128).expand(-1, 3, -1, -1)
            features = self._trunk(images.contiguous(memory_format=torch.channels_last)).flatten(1)
            return Features(features, features @ self._last_layer.T)


def resize_like_tensorflow(images: Tensor, size: int) -> Tensor:
    """Bilinear [B, C, H, W] -> [B, C, size, size] as `tf.image.resize_bilinear` of TensorFlow 1 (align_corners=False).

    Output i reads position i * H / size, neighbours floor and floor + 1, clamped at the border; as two matrix products
    (12 times faster than gathering, equal to 3e-5 grey levels).
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


def _folded(module: nn.Module) -> nn.Module:
    """The same function with every batch norm folded into the convolution before it."""
    for block in module.modules():
        convolution, norm = getattr(block, "conv", None), getattr(block, "bn", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            block.conv = nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            block.bn = nn.Identity()
    return module


def _load(path: Path) -> FeatureExtractorInceptionV3:
    """torch-fidelity's network with these weights; it unpickles without restraint, so the file is checked first."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    _check(path)
    with torch.random.fork_rng(devices=[]):  # its random initialisation must not move the caller's random state
        try:
            # features_list must be a list and the path a str: torch-fidelity 0.4.0 fails on other types
            return FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path))
        except RuntimeError as error:
            raise EvaluationError(f"{path} is not the Inception network of 2015-12-05; {HOW_TO}") from error


def _check(path: Path) -> None:
    """Raise EvaluationError unless the file holds plain tensors in the number and shape of these weights."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file fails in many ways; all mean the same to the user
        raise EvaluationError(
            f"{path} is damaged or no file of plain tensors ({type(error).__name__}); {HOW_TO}"
        ) from error
    shape = tuple(state["fc.weight"].shape) if isinstance(state, dict) and "fc.weight" in state else None
    if shape != LAST_LAYER or len(state) != NUM_TENSORS:
        raise EvaluationError(
            f"{path} is not the Inception network of 2015-12-05: expected {NUM_TENSORS} tensors and fc.weight "
            f"{LAST_LAYER}, got {len(state)} and {shape}; {HOW_TO}"
        )


def _download(target: Path) -> None:
    """Fetch with a progress bar; the file appears at `target` only once it is whole and checked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        aside = Path(folder) / FILE_NAME
        try:
            torch.hub.download_url_to_file(URL, str(aside), progress=True)
        except (OSError, RuntimeError) as error:
            raise EvaluationError(f"the download of the Inception weights failed ({error}); {HOW_TO}") from error
        _check(aside)
        os.replace(aside, target)
