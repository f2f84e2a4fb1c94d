"""Metrics of an encoder: error of its categorical code, nearest-neighbour accuracy, reconstruction error."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.nearest_neighbours import nearest


def code_error(codes: Array, labels: Array, known_codes: Array, known_labels: Array) -> float:
    """Error of a categorical code as a class label, 0..1; the share of images whose code stands for another class.

    Each value of the code stands for the class that most of the known images with it have, the first one of several;
    a value that no known image has counts as an error. codes [N], known_codes [M]: integers from 0 on; labels likewise.
    Raises EvaluationError for empty input and for different lengths.
    Source: Chen et al. 2016 (InfoGAN, arXiv:1606.03657), section 7.2, which matches "each category to a digit type".
    """
    codes, labels = (whole.long() for whole in _paired(codes, labels, "codes"))  # of 8 bits, products would overflow
    known_codes, known_labels = (whole.long() for whole in _paired(known_codes, known_labels, "known codes"))
    values, classes = 1 + int(torch.cat([codes, known_codes]).max()), 1 + int(known_labels.max())
    counts = torch.bincount(known_codes * classes + known_labels, minlength=values * classes).view(values, classes)
    stands_for = torch.where(counts.sum(1) > 0, counts.argmax(1), -1)
    return float((stands_for[codes] != labels).double().mean())


def nearest_neighbour_accuracy(features: Array, labels: Array, known_features: Array, known_labels: Array) -> float:
    """Share of images whose label is that of the nearest known image, 0..1; Euclidean distances.

    features [N, F], known_features [M, F]: float32. labels [N], known_labels [M]: integers.
    Raises EvaluationError for empty input, different lengths, and values that are not finite.
    Source: Donahue et al. 2017 (BiGAN, arXiv:1605.09782), section 4.1 and table 1.
    """
    features, labels = _paired(features, labels, "features")
    known_features, known_labels = _paired(known_features, known_labels, "known features")
    _, rows = nearest(features, known_features, 1)
    return float((known_labels.to(rows.device)[rows[:, 0]] == labels.to(rows.device)).double().mean())


def reconstruction_error(images: Array, reconstructions: Array) -> float:
    """The mean of ||x - G(E(x))||, the Euclidean distance between an image and its reconstruction, pixels in [0, 1].

    images, reconstructions: [N, C, S, S] in [-1, 1]. Raises EvaluationError for empty input and for different shapes.
    Source: Donahue et al. 2017, "EGr" of the authors' code.
    """
    images, reconstructions = as_tensor(images, "images"), as_tensor(reconstructions, "reconstructions")
    if images.shape != reconstructions.shape or not len(images):
        shapes = f"{tuple(images.shape)} and {tuple(reconstructions.shape)}"
        raise EvaluationError(f"images and their reconstructions must be of one shape, [N, C, S, S], got {shapes}")
    apart = (images.double() - reconstructions.double()) / 2.0
    return float(apart.flatten(1).square().sum(1).sqrt().mean())


def _paired(rows: Array, labels: Array, what: str) -> tuple[Tensor, Tensor]:
    rows, labels = as_tensor(rows, what), as_tensor(labels, "labels")
    if labels.ndim != 1 or len(rows) != len(labels) or not len(rows):
        raise EvaluationError(f"{what} must have one label each, got {tuple(rows.shape)} and {tuple(labels.shape)}")
    return rows, labels
