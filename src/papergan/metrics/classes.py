"""Histogram of the classes that a generator draws: entropy, coverage and divergence from the real one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


class ClassHistogram:
    """How many of a stream of images the classifier of the data set assigns to each of K classes.

    Parts are merged by adding their counts. What collapses within a class (one horse, drawn a thousand times) goes
    unnoticed, and so do the classifier's mistakes: compare with the histogram of real images, not with their labels.
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise EvaluationError(f"a class histogram needs at least 2 classes, got {num_classes}")
        self.num_classes = num_classes
        self._counts = torch.zeros(num_classes, dtype=torch.int64)

    @property
    def counts(self) -> Tensor:
        """Images per predicted class, int64 [K], on the CPU."""
        return self._counts

    @property
    def count(self) -> int:
        """The number of images so far."""
        return int(self._counts.sum())

    def update(self, logits: Array) -> None:
        """Take in [B, K]; the largest logit is the class. Raises EvaluationError for other shapes, NaN or infinity."""
        logits = as_tensor(logits, "logits")
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise EvaluationError(f"logits must be [B, {self.num_classes}], got {tuple(logits.shape)}")
        if not bool(logits.isfinite().all()):
            raise EvaluationError("logits contain NaN or infinity; the images or the classifier are damaged")
        self._counts = self._counts + torch.bincount(logits.argmax(dim=1), minlength=self.num_classes).cpu()

    def merge(self, other: ClassHistogram) -> ClassHistogram:
        """The histogram of both streams together; neither is changed."""
        self._check_classes(other)
        return ClassHistogram.from_tensors({"counts": self._counts + other._counts})

    def to_tensors(self) -> dict[str, Tensor]:
        """`counts` int64 [K], for storage."""
        return {"counts": self._counts}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> ClassHistogram:
        """The inverse of `to_tensors`. Raises EvaluationError for anything but one tensor of K counts."""
        counts = tensors.get("counts")
        if counts is None or counts.ndim != 1 or counts.dtype != torch.int64 or bool((counts < 0).any()):
            raise EvaluationError("a stored class histogram needs counts, int64 [K], none negative; build it again")
        histogram = cls(len(counts))
        histogram._counts = counts.cpu()
        return histogram

    def covered(self, share: float | None = None) -> int:
        """How many classes hold more than `share` of the images, by default 1 / (10 K), a tenth of a fair share."""
        least = 1 / (10 * self.num_classes) if share is None else share
        return int((self._shares() > least).sum())

    def drawn(self) -> int:
        """How many classes hold an image at all: the modes of stacked images."""
        return int((self._counts > 0).sum())

    def divergence_from_even(self) -> float:
        """KL(p || u) = sum_k p_k ln(p_k K) in nats of the predicted shares p from even ones u, 0..ln K; 0 is best.

        N images of the even law itself reach about (K - 1) / (2 N). Source: Lin et al. 2018 (PacGAN), arXiv:1712.04086,
        section 4.2, in the direction and against the shares of its code.
        """
        shares = self._shares()
        return max(float(torch.xlogy(shares, shares * self.num_classes).sum()), 0.0)

    def entropy(self) -> float:
        """-sum_k p_k ln p_k / ln K of the predicted shares p: 0 for one class, 1 for all K alike."""
        shares = self._shares()
        return -float(torch.xlogy(shares, shares).sum()) / math.log(self.num_classes) + 0.0  # never -0.0

    def divergence(self, reference: ClassHistogram) -> float:
        """KL(p || q) = sum_k p_k ln(p_k / q_k) >= 0 in nats, p these shares and q those of the reference.

        Both get one pseudo-count in all, 1/K for each class: p_k = (n_k + 1/K) / (N + 1). It keeps the divergence
        finite where the reference lacks a class, and fades with N. Raises EvaluationError for other classes.
        Source: design of this project.
        """
        self._check_classes(reference)
        ours, theirs = self._smoothed(), reference._smoothed()
        return max(float((ours * (ours / theirs).log()).sum()), 0.0)

    def _shares(self) -> Tensor:
        if not self.count:
            raise EvaluationError("a class histogram without images has no shares; update it first")
        return self._counts.double() / self.count

    def _smoothed(self) -> Tensor:
        return (self._shares() * self.count + 1 / self.num_classes) / (self.count + 1)

    def _check_classes(self, other: ClassHistogram) -> None:
        if other.num_classes != self.num_classes:
            raise EvaluationError(f"histograms of {self.num_classes} and {other.num_classes} classes do not compare")
