"""Metrics of clips: whether content stays the same over a clip, and whether its motion is a known one."""

from __future__ import annotations

import math
from typing import Final

import torch

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor

SURE: Final = 0.9  # the smallest probability of a motion that counts as recognised


def content_kept(logits: Array) -> float:
    """The share of clips, 0..1, all of whose frames a classifier of single frames assigns to the same class.

    logits: [N, T, K], of T frames of each of N clips. A classifier errs on real frames too: compare with the value that
    real clips have. A still image scores 1. Raises EvaluationError for other shapes.
    After the content consistency of Tulyakov et al. 2018 (MoCoGAN), arXiv:1707.04993, section 4.1, which is a distance
    of features of faces; here classes take the place of persons.
    """
    found = _checked(logits, 3).argmax(2)
    return float((found == found[:, :1]).all(1).double().mean())


def motion_recognised(logits: Array, motions: int) -> float:
    """The share of clips, 0..1, to which a classifier of clips gives one motion with a probability of at least SURE.

    logits: [N, K * motions], of the classes of content with motion, the motion changing fastest. The probability of a
    motion is the sum of those of its classes. Raises EvaluationError for other shapes.
    """
    return float((_of_motions(logits, motions).amax(1) >= SURE).double().mean())


def motion_entropy(logits: Array, motions: int) -> float:
    """The entropy of the motions of clips, divided by its maximum: 0..1; 0 = all the same, 1 = equally frequent.

    Computed from the mean over clips of the probabilities of `motion_recognised`, so that one undecided clip, repeated
    for all, can score as high; logits as there. Raises EvaluationError for other shapes and fewer than two motions.
    """
    if motions < 2:
        raise EvaluationError(f"the entropy of motions needs two of them, got {motions}")
    shares = _of_motions(logits, motions).mean(0)
    return float(torch.special.entr(shares).sum() / math.log(motions))


def _of_motions(logits: Array, motions: int) -> torch.Tensor:
    """Probabilities of motions, [N, motions]."""
    checked = _checked(logits, 2)
    if checked.shape[1] % motions:
        raise EvaluationError(f"logits must be of classes with {motions} motions each, got {checked.shape[1]}")
    return checked.softmax(1).reshape(len(checked), -1, motions).sum(1)


def _checked(logits: Array, dimensions: int) -> torch.Tensor:
    found = as_tensor(logits, "logits")
    if found.ndim != dimensions or not len(found):
        raise EvaluationError(f"logits must have {dimensions} axes and a row, got {tuple(found.shape)}")
    return found.double()
