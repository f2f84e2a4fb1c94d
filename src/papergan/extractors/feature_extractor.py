"""Feature extractors turn pixels into features and class logits: interface, base class, wrapper for any network."""

from __future__ import annotations

import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from papergan.errors import EvaluationError, EvaluationStopped
from papergan.training.numerics import float32_products
from papergan.weights import Weights

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 30.0


class Features(NamedTuple):
    """Features and logits of one batch of images.

    features: float32 [B, D]. logits: float32 [B, K], before any softmax; [B, 0] from an extractor without `has_logits`.
    """

    features: Tensor
    logits: Tensor


class FeatureExtractor(Protocol):
    """A frozen network with an identity, so that numbers of two networks are never compared.

    name: "inception", "torchvision", "inception64", "domain", "domain64", "rotation" or "custom"; the 64 of a tap is
    its dimension. metric_prefix: of the names of its metrics, "" for "inception" (`fid`) and the name with "_" for all
    others (`domain_fid`). digest: SHA-256 of the weights. preprocessing: what is done to the pixels, part of the
    identity. dimension: D. class_names: the data set's own classes, in the order of the logits; () where logits stand
    for something else (ImageNet) or there are none. has_logits: whether an Inception Score can be computed.
    """

    name: str
    metric_prefix: str
    digest: str
    preprocessing: str
    dimension: int
    class_names: tuple[str, ...]
    has_logits: bool

    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] on any device -> features and logits on the extractor's device."""
        ...

    def extract_float(self, values: Tensor) -> Features:
        """The same for float [B, C, S, S] in 0..255 that was never rounded; it is not modified.

        A Perceptual Path Length is taken between images so close that rounding them to bytes would hide the path.
        """
        ...


class NetworkExtractor(ABC):
    """Base class of extractors that are a frozen network; checks its input, and computes in true float32.

    network: computes the features; moved to `device`.
    """

    def __init__(self, network: nn.Module, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self._network = network.to(self.device)

    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] on any device -> features [B, D], logits [B, K]; see FeatureExtractor."""
        check_pixels(pixels)
        return self.extract_float(pixels.to(self.device).float())

    @torch.inference_mode()
    def extract_float(self, values: Tensor) -> Features:
        """Float [B, C, S, S] in 0..255, not rounded, not modified -> features [B, D], logits [B, K]."""
        check_values(values)
        with full_precision(self.device):
            return self._features(self._prepared(values.to(self.device, torch.float32)))

    @abstractmethod
    def _prepared(self, values: Tensor) -> Tensor:
        """The network's input from float32 in 0..255, which is the caller's and must not be modified in place."""

    @abstractmethod
    def _features(self, images: Tensor) -> Features:
        """Features and logits of the network's input."""


def stop_if_requested(should_stop: Callable[[], bool] | None, where: str) -> None:
    """Raise EvaluationStopped once `should_stop()` is true. where: for the message."""
    if should_stop is not None and should_stop():
        raise EvaluationStopped(f"evaluation was stopped {where}; no score is reported")


def check_pixels(pixels: Tensor) -> None:
    """Raise EvaluationError unless `pixels` are uint8 [B, C, S, S]: floats would silently be scored as black images."""
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        raise EvaluationError(
            f"an extractor takes uint8 [B, C, S, S] in 0..255, got {pixels.dtype} {tuple(pixels.shape)}; use to_pixels"
        )


def check_values(values: Tensor) -> None:
    """Raise EvaluationError unless `values` are float [B, C, S, S]; ensuring their range 0..255 is up to the caller."""
    if not values.is_floating_point() or values.ndim != 4:
        raise EvaluationError(
            f"extract_float takes float [B, C, S, S] in 0..255, got {values.dtype} {tuple(values.shape)}; "
            "call the extractor itself with uint8"
        )


def no_logits(features: Tensor) -> Tensor:
    """[B, 0] for `features` [B, D]: the logits of an extractor that has none."""
    return features.new_empty(len(features), 0)


@contextmanager
def full_precision(device: torch.device | str) -> Iterator[None]:
    """True float32 inside the block: no TF32 or autocast, whatever training enabled (bf16 moves features by 1 %)."""
    with float32_products("ieee"), torch.autocast(torch.device(device).type, enabled=False):
        yield


def batches_of(
    pixels: Tensor | Iterable[Tensor],
    batch_size: int,
    should_stop: Callable[[], bool] | None = None,
    *,
    total: int | None = None,
    what: str = "images",
) -> Iterator[Tensor]:
    """Yield at most `batch_size` images at a time, with a bar on a terminal and elsewhere a line every half minute.

    total: number of images, if known. what: the images are, for the bar and the log.
    Raises EvaluationStopped, between two slices, once `should_stop()` is true.
    """
    started = reported = time.monotonic()
    done = 0  # a disabled bar counts nothing
    with tqdm(total=total, desc=what, unit="image", disable=None, leave=False, dynamic_ncols=True) as bar:
        for part in [pixels] if isinstance(pixels, Tensor) else pixels:
            for batch in part.split(batch_size):
                stop_if_requested(should_stop, f"after {done} images")
                yield batch
                done += len(batch)
                bar.update(len(batch))
                if bar.disable and time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                    reported = time.monotonic()
                    of_total = f" of {total}" if total else ""
                    logger.info("%s: %d%s, %.0f images/s", what, done, of_total, done / (reported - started))


Network = Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]


class CustomExtractor:
    """Features of a network or function that takes float32 [B, C, S, S] in 0..255.

    It returns features [B, D], or features and logits [B, K], and does its own preprocessing. A network is put into
    evaluation mode and identified by its weights; a function is identified by its name.
    """

    name, metric_prefix = "custom", "custom_"
    preprocessing = "of its own"
    class_names: tuple[str, ...] = ()

    def __init__(self, network: Network, device: torch.device | str = "cpu") -> None:
        self._network, self.device = network, torch.device(device)
        if isinstance(network, nn.Module):
            network.to(self.device).eval()
            self.digest = Weights(network.state_dict()).digest
        else:
            self.digest = hashlib.sha256(getattr(network, "__qualname__", self.name).encode()).hexdigest()
        self.dimension, self.has_logits = 0, False  # known after the first batch

    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] -> features and logits."""
        check_pixels(pixels)
        return self.extract_float(pixels.float())

    @torch.inference_mode()
    def extract_float(self, values: Tensor) -> Features:
        """Float [B, C, S, S] in 0..255 -> features and logits. Raises EvaluationError for any other output."""
        check_values(values)
        output = self._network(values.to(self.device, torch.float32))
        features, logits = output if isinstance(output, tuple) else (output, no_logits(output))
        if features.ndim != 2 or logits.ndim != 2 or {len(features), len(logits)} != {len(values)}:
            raise EvaluationError(
                f"extractor {self.name}: expected features [{len(values)}, D], got {list(features.shape)}, "
                f"and logits [{len(values)}, K], got {list(logits.shape)}"
            )
        self.dimension, self.has_logits = features.shape[1], logits.shape[1] > 0
        return Features(features.float(), logits.float())
