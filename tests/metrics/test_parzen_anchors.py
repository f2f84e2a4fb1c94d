"""Training images and centroids in the place of samples, under the rules of a Parzen window."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.parzen import choose_bandwidth, k_means, parzen_anchors, parzen_log_likelihood


def groups(count: int, seed: int) -> torch.Tensor:
    """Points around 20 corners of a cube of 30 dimensions."""
    corners = torch.randint(0, 2, (20, 30), generator=torch.Generator().manual_seed(9)).float()
    draw = torch.Generator().manual_seed(seed)
    return corners[torch.randint(20, (count,), generator=draw)] + 0.2 * torch.randn(count, 30, generator=draw)


def test_centroids_outdo_the_points_that_they_are_made_of() -> None:
    train, validation, test = groups(2000, 0), groups(200, 1), groups(300, 2)
    anchors = parzen_anchors(train, validation, test, 0, samples=100, bandwidths=(0.1, 0.2, 0.3, 0.4))
    assert anchors["k-means"].mean > anchors["training images"].mean + 5 * anchors["training images"].error
    assert anchors == parzen_anchors(train, validation, test, 0, samples=100, bandwidths=(0.1, 0.2, 0.3, 0.4))


def test_training_images_are_scored_as_samples_are() -> None:
    train, validation, test = groups(50, 0), groups(40, 1), groups(30, 2)
    found = parzen_anchors(train, validation, test, 0, samples=50)["training images"]
    bandwidth = choose_bandwidth(train, validation)
    assert found[:3] == (*parzen_log_likelihood(train, test, bandwidth), bandwidth)  # all of them: no draw


def test_k_means_finds_the_means_of_separate_groups_and_leaves_an_empty_one() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
    assert k_means(points, torch.tensor([[0.0], [9.0], [99.0]]), 10).tolist() == [[0.5], [11.0], [99.0]]


def test_too_few_training_images_are_refused() -> None:
    with pytest.raises(EvaluationError, match="20 samples cannot be taken from 10 training images; give fewer"):
        parzen_anchors(groups(10, 0), groups(5, 1), groups(5, 2), 0, samples=20)
