"""Our scores of two folders of images against those of torch-fidelity's command: another implementation of all of it.

Only the network's layers are shared. The weights are random, so the numbers mean nothing; they must be the same.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from helpers.toy_extractor import save_random_inception
from papergan.extractors.feature_extractor import Features
from papergan.extractors.inception import InceptionExtractor
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.metrics.inception_score import inception_score
from papergan.metrics.kernel_distance import kernel_distance
from papergan.metrics.nearest_neighbours import neighbourhoods

pytestmark = pytest.mark.slow  # each formula has a test of its own beside these

COUNT = 16


def mosaics(folder: Path, seed: int, darkest: int) -> Tensor:
    """Coarse coloured mosaics, uint8 [COUNT, 3, 32, 32], written to PNG files as well."""
    coarse = torch.rand(COUNT, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    images = functional.interpolate(darkest + (255 - darkest) * coarse, (32, 32)).to(torch.uint8)
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{index:02}.png")
    return images


def theirs(folder: Path, weights: Path) -> dict[str, float]:
    """What the command prints; input1 are the fakes. One subset of all images, so that its draw does not matter."""
    from torch_fidelity import fidelity

    command = [
        "fidelity", "--input1", folder / "fake", "--input2", folder / "real",
        "--feature-extractor", "inception-v3-compat", "--feature-extractor-weights-path", weights,
        "--batch-size", COUNT, "--cpu", "--json", "--silent", "--no-cache", "--save-cpu-ram",
        "--isc", "--isc-splits", 1, "--fid", "--prc", "--kid", "--kid-subsets", 1, "--kid-subset-size", COUNT,
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", [str(part) for part in command])
        fidelity.main()
    return json.loads(printed.getvalue())


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Features, Features, dict[str, float]]:
    """Fakes and reals as our extractor sees them, and the command's scores of the same images."""
    pytest.importorskip("torch_fidelity")
    folder = tmp_path_factory.mktemp("fidelity")
    weights = save_random_inception(folder / "random.pth")
    fake, real = mosaics(folder / "fake", seed=0, darkest=0), mosaics(folder / "real", seed=1, darkest=110)
    extractor = InceptionExtractor(weights)
    return extractor(fake), extractor(real), theirs(folder, weights)


def statistics_of(features: Tensor) -> FeatureStatistics:
    statistics = FeatureStatistics(features.shape[1])
    statistics.update(features)
    return statistics


def test_frechet_distance(seen: tuple[Features, Features, dict[str, float]]) -> None:
    """To 2e-5: their means are float32, and in the 2033 null directions of 16 images the eigenvalues of a product of
    two covariances, which they take, keep only half of the digits."""
    fake, real, expected = seen
    ours = frechet_distance(statistics_of(fake.features), statistics_of(real.features))
    assert ours > 10
    assert ours == pytest.approx(expected["frechet_inception_distance"], rel=2e-5)


def test_kernel_distance(seen: tuple[Features, Features, dict[str, float]]) -> None:
    """To 5e-5, absolute: they sum 256 kernel values of about 70 in float32, which resolves 1e-5 of their mean, and
    the sums cancel to 1."""
    fake, real, expected = seen
    ours = kernel_distance(fake.features, real.features, subsets=1, subset_size=COUNT)
    assert ours.mean > 1
    assert ours.mean == pytest.approx(expected["kernel_inception_distance_mean"], abs=5e-5)


def test_inception_score(seen: tuple[Features, Features, dict[str, float]]) -> None:
    """What it exceeds 1 by, to 1e-5: the score is float64 in both, of float32 logits multiplied in another order."""
    fake, _, expected = seen
    ours = inception_score(fake.logits, splits=1)
    assert ours.mean > 1.001
    assert ours.mean - 1 == pytest.approx(expected["inception_score_mean"] - 1, rel=1e-5)


def test_precision_and_recall(seen: tuple[Features, Features, dict[str, float]]) -> None:
    """The same images, to the last one, and neither taken for the other; theirs are rounded to float32."""
    fake, real, expected = seen
    ours = neighbourhoods(fake.features, real.features, manifold_k=3)
    assert ours.precision != ours.recall
    assert ours.precision == pytest.approx(expected["precision"], abs=1e-6)
    assert ours.recall == pytest.approx(expected["recall"], abs=1e-6)
