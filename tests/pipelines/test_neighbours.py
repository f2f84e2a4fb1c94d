"""The picture of samples beside their nearest training images."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from helpers.toy_extractor import PixelExtractor
from papergan.data.images import ImageSet, ImageSplits
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, reference_and_held_out
from papergan.pipelines.experiment.nodes import figures
from papergan.weights import Weights


@pytest.mark.parametrize("split", ["train", "test"])
def test_neighbours_are_training_images_whichever_split_is_the_reference(split, monkeypatch):
    drawn = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    train, test = (
        ImageSet(name, rows, torch.zeros(30, dtype=torch.int64))
        for name, rows in zip(("a", "b"), drawn.split(30), strict=True)
    )
    images, extractor = ImageSplits(train, test), PixelExtractor()
    real, held_out = (ImageFeatures.of(some, extractor, 30) for some in reference_and_held_out(images, split))
    reference = {"domain": Reference.between(ExtractorFacts.of(extractor), real, held_out, split, 10)}
    for name, made in (
        ("exported_sampler", None), ("generate_samples", train.images[:8]), ("extractors_of", [extractor]),
        ("device_of", None), ("fastest", extractor), ("sample_caption", ""),
    ):  # fmt: skip
        monkeypatch.setattr(figures, name, lambda *given, made=made, **more: made)
    experiment = SimpleNamespace(name="small", recipe=SimpleNamespace(seed=0, evaluation=None))
    generator = Weights({}, {"dataset": "drawn", "step": "1", "images": "5", "epoch": "0.1"})
    rows = figures.draw_neighbours(experiment, images, Weights({}), reference, generator).images.unflatten(0, (8, 9))
    assert torch.equal(rows[:, 1], rows[:, 0])  # by features
    assert torch.equal(rows[:, 5], rows[:, 0])  # by pixels
