"""What every score is computed from: a network that turns pixels into features and class logits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.training.numerics import float32_products

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 30.0


class EvaluationStopped(EvaluationError):
    """Asked to stop: what was seen so far is not a score, so none is returned."""


class Features(NamedTuple):
    """One batch seen by an extractor. features: float32 [B, D]; logits: float32 [B, K], before any softmax."""

    features: Tensor
    logits: Tensor


class FeatureExtractor(Protocol):
    """A frozen network with an identity, so that numbers of two networks are never compared.

    name: "inception" or "domain". metric_prefix: what stands before its metrics, "" for Inception (`fid`), "domain_"
    for the classifier of the data set itself (`domain_fid`). digest: SHA-256 of the weights. preprocessing: what is
    done to the pixels, part of the identity. dimension: D.
    """

    @property
    def name(self) -> str:
        """`inception` or `domain`."""

    @property
    def metric_prefix(self) -> str:
        """Nothing, or `domain_`."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, hexadecimal."""

    @property
    def preprocessing(self) -> str:
        """What is done to the pixels."""

    @property
    def dimension(self) -> int:
        """D."""

    def __call__(self, pixels: Tensor) -> Features:
        """uint8 [B, C, S, S] on any device -> features and logits on the extractor's device."""
        ...


def check_pixels(pixels: Tensor) -> None:
    """Raise EvaluationError unless `pixels` are uint8 [B, C, S, S]: floats would silently be scored as black images."""
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        raise EvaluationError(
            f"an extractor takes uint8 [B, C, S, S] in 0..255, got {pixels.dtype} {tuple(pixels.shape)}; use to_pixels"
        )


@contextmanager
def full_precision(device: torch.device | str) -> Iterator[None]:
    """True float32 inside: no TF32, no autocast, whatever training has switched on (bf16 moves features by 1 %)."""
    with float32_products("ieee"), torch.autocast(torch.device(device).type, enabled=False):
        yield


def batches_of(
    pixels: Tensor | Iterable[Tensor], batch_size: int, should_stop: Callable[[], bool] | None = None
) -> Iterator[Tensor]:
    """Slices of at most `batch_size` images; says how far it is every half minute.

    Raises EvaluationStopped, between two slices, once `should_stop()` is true.
    """
    started = reported = time.monotonic()
    seen = 0
    for part in [pixels] if isinstance(pixels, Tensor) else pixels:
        for batch in part.split(batch_size):
            if should_stop is not None and should_stop():
                raise EvaluationStopped(f"evaluation was stopped after {seen} images; no score is reported")
            yield batch
            seen += len(batch)
            if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
                reported = time.monotonic()
                logger.info("evaluating: %d images, %.0f images/s", seen, seen / (reported - started))


def extract(
    extractor: FeatureExtractor,
    pixels: Tensor | Iterable[Tensor],
    batch_size: int,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Features]:
    """Features of uint8 [N, C, S, S], or of a stream of such tensors, batch by batch; nothing is kept.

    Raises EvaluationStopped, between two batches, once `should_stop()` is true.
    """
    for batch in batches_of(pixels, batch_size, should_stop):
        yield extractor(batch)
