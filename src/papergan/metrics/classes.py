"""Counts of the classes that a generator produces: entropy, coverage and divergence from those of real images.

Collapse within a class (one horse, generated a thousand times) goes unnoticed, and so do the classifier's mistakes:
compare with the counts of real images, not with their labels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


def class_counts(logits: Array) -> Tensor:
    """Images per predicted class, int64 [K], on the CPU. logits [N, K]: the largest one gives the class.

    Raises EvaluationError for other shapes, no images, fewer than two classes, and for NaN or infinity.
    """
    logits = as_tensor(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] < 2 or not len(logits):
        raise EvaluationError(f"class counts need logits [N >= 1, K >= 2], got {tuple(logits.shape)}")
    if not bool(logits.isfinite().all()):
        raise EvaluationError("logits contain NaN or infinity; the images or the classifier are damaged")
    return torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1]).cpu()


def classes_covered(counts: Tensor) -> int:
    """The number of classes that hold more than 1 / (10 K) of the images, a tenth of a fair share."""
    return int((_shares(counts) > 1 / (10 * len(counts))).sum())


def class_entropy(counts: Tensor) -> float:
    """-sum_k p_k ln p_k / ln K of the predicted shares p: 0 for one class, 1 for equal shares of all K."""
    shares = _shares(counts)
    return -float(torch.xlogy(shares, shares).sum()) / math.log(len(counts)) + 0.0  # never -0.0


def divergence_from_even(counts: Tensor) -> float:
    """KL(p || u) = sum_k p_k ln(p_k K) in nats of the predicted shares p from uniform u, 0..ln K; 0 is best.

    N images of the uniform distribution itself reach about (K - 1) / (2 N). Source: Lin et al. 2018 (PacGAN),
    arXiv:1712.04086, section 4.2, in the direction and with the reference shares of its code.
    """
    shares = _shares(counts)
    return max(float(torch.xlogy(shares, shares * len(counts)).sum()), 0.0)


def class_divergence(counts: Tensor, reference: Tensor) -> float:
    """KL(p || q) = sum_k p_k ln(p_k / q_k) >= 0 in nats, p the shares of these counts and q those of the reference.

    Both get one pseudo-count in total, 1/K for each class: p_k = (n_k + 1/K) / (N + 1). It keeps the divergence
    finite where the reference lacks a class, and fades with N. Raises EvaluationError for different numbers of classes.
    Source: design of this project.
    """
    if len(counts) != len(reference):
        raise EvaluationError(f"counts of {len(counts)} and {len(reference)} classes do not compare")
    ours, theirs = _smoothed(counts), _smoothed(reference)
    return max(float((ours * (ours / theirs).log()).sum()), 0.0)


def _shares(counts: Tensor) -> Tensor:
    return counts.double() / int(counts.sum())


def _smoothed(counts: Tensor) -> Tensor:
    total = int(counts.sum())
    return (_shares(counts) * total + 1 / len(counts)) / (total + 1)
