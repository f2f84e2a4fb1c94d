"""The nodes of `metric_sanity` and `evaluate_images` by themselves, on few images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from papergan.config.checked import Images, Sanity
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSplits
from papergan.datasets.feature_cache import FeatureCache
from papergan.errors import DataError
from papergan.evaluation.metric_sanity import CORRUPTIONS
from papergan.pipelines import images, sanity


def test_every_corruption_is_scored_plotted_and_told(tmp_path):
    settings = SanitySettings.model_validate({
        "dataset": "synthetic_shapes", "num_samples": 20, "inception": False, "device": "cpu",
        "domain_classifier": {"epochs": 1, "width": 4}, "kid_subsets": 2, "memorisation_samples": 10,
    })  # fmt: skip
    recipe = Sanity(settings)
    splits = ImageSplits(synthetic_shapes("train", 400), synthetic_shapes("test", 400))
    cases = sanity.score_corruptions(recipe, splits, FeatureCache(tmp_path))
    assert {case.corruption for case in cases} >= {corruption.name for corruption in CORRUPTIONS}
    assert all("domain_fid" in case.metrics for case in cases)
    two = ("domain_fid", "domain_precision")  # a figure of all of them takes longer than they do
    cases = tuple(case.model_copy(update={"metrics": {name: case.metrics[name] for name in two}}) for case in cases)
    figure, page = sanity.show_sanity(recipe, cases)
    assert len(figure.axes) == len(two) * len(CORRUPTIONS)
    assert "What must hold" in page.html
    assert "20 images against all training images, seed 0, 2 kernel subsets of 20, 10 splits" in page.markdown
    assert len(page.csv.splitlines()) == 1 + len(cases)


def test_images_of_two_sizes_are_refused_without_one(tmp_path):
    folder, small = tmp_path / "real", tmp_path / "small.npy"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (24, 24), (number, 0, 0)).save(folder / f"{number}.png")
    np.save(small, np.zeros((20, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"differ in size.*evaluate_images.size"):
        images.read(Images(ImagesSettings(), folder, small, None))
    found = images.read(Images(ImagesSettings(size=16), folder, small, None))
    assert found.real.spec == found.fake.spec
