"""Scores of real images are kept in the feature cache, by everything that determines them."""

from __future__ import annotations

from dataclasses import replace

import torch

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.datasets.feature_cache import FeatureCache
from papergan.evaluation.scorecard import RealRow
from papergan.pipelines.experiment.nodes import references


def grey(value: int) -> ImageSet:
    return ImageSet("a/train", torch.full((4, 1, 8, 8), value, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))


def test_they_depend_on_the_validation_images_that_choose_a_bandwidth(tmp_path, monkeypatch):
    def scored(*arguments, **_) -> tuple[RealRow, ...]:
        validation = arguments[6]
        return (RealRow(name="real", dataset="a", protocols=(), metrics={"mean": float(validation.images.max())}),)

    monkeypatch.setattr(references, "real_rows", scored)
    given = {
        "paper": "goodfellow2014",
        "system": "dcgan",
        "dataset": "mnist",
        "training": {"steps": 1, "batch_size": 2},
    }
    experiment, cache = Experiment("a", Recipe.parse("a", given)), FeatureCache(tmp_path)
    images = ImageSplits(grey(1), grey(2), grey(3))
    means = []
    for each in (images, replace(images, validation=grey(4)), images):
        (row,) = references.score_real_images(experiment, each, {}, cache)
        means.append(row.metrics["mean"])
    assert means == [3.0, 4.0, 3.0]
