"""What a GPU must show: the same scores as a CPU, up to the rounding of float32 products."""

from __future__ import annotations

import pytest
import torch

from evaluation.test_compute_metrics import reference, splits  # noqa: F401 - a fixture
from helpers.toy_extractor import PixelExtractor
from papergan.data.images import ImageSplits
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.pixel_metrics import score_pixels
from papergan.evaluation.protocol import EvaluationRules

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
RULES = EvaluationRules(
    num_samples=250, kid_subsets=4, kid_subset_size=50, manifold_samples=200, memorisation_samples=100, bootstrap=3,
    parzen_samples=100, inception_splits=5,
)  # fmt: skip


def test_features_are_scored_alike(splits: ImageSplits) -> None:  # noqa: F811
    held = reference(splits)
    fakes = torch.randint(0, 256, (250, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    here, there = (
        Evaluator([PixelExtractor()], held, device=device).score([fakes], RULES) for device in ("cpu", "cuda")
    )
    assert here == pytest.approx(there, rel=1e-3, abs=1e-4)


def test_pixels_are_scored_alike() -> None:
    fake, real, held_out = (
        torch.randint(0, 256, (250, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
        for seed in range(3)
    )
    here, there = (score_pixels(fake, real, held_out, RULES, device) for device in ("cpu", "cuda"))
    assert here == pytest.approx(there, rel=1e-3, abs=1e-4)
