"""Truncated samples are made with BatchNorm statistics of truncated latents, in evaluations and in the sweep."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from helpers.toy_extractor import PixelExtractor
from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSpec
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.sampler_path_length import sampler_path_length
from papergan.pipelines.experiment.nodes import truncation
from papergan.pipelines.experiment.restore import under_truncation
from papergan.pipelines.experiment.scorers import ClipScorer, LatentScorer
from papergan.training.signals import StopRequest
from papergan.weights import Weights

RECIPE = Recipe.parse(
    "small",
    {
        "paper": "brock2019", "system": "biggan", "dataset": "cifar10",
        "overrides": {"generator_width": 8, "discriminator_width": 8, "latent_dim": 8},
        "training": {"steps": 1, "batch_size": 5, "batch_norm_batches": 3}, "evaluation": {"num_samples": 100},
    },
)  # fmt: skip


@pytest.fixture
def sampler():
    game = systems.build("biggan", ImageSpec(3, 16, 3), RECIPE.overrides, seed=0)
    return game.sampler(averaged=False).requires_grad_(False).eval()


def statistics(sampler) -> torch.Tensor:
    norms = [m for m in sampler.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    return torch.cat([part for norm in norms for part in (norm.running_mean, norm.running_var)])


def test_statistics_are_of_the_truncated_latents_and_the_sampler_is_left(sampler):
    before = copy.deepcopy(sampler.state_dict())
    truncated = under_truncation(RECIPE, sampler, 0.3, Progress())
    assert all(torch.equal(before[name], tensor) for name, tensor in sampler.state_dict().items())
    assert not truncated.training
    sampler.estimate_batch_norm(batches=3, batch_size=5, seed=0, progress=Progress(), truncation=0.3)
    torch.testing.assert_close(statistics(truncated), statistics(sampler), rtol=0, atol=0)
    sampler.estimate_batch_norm(batches=3, batch_size=5, seed=0, progress=Progress())
    assert (statistics(truncated) - statistics(sampler)).abs().max() > 1e-3
    assert under_truncation(RECIPE, sampler, None, Progress()) is sampler


RULES = EvaluationRules(
    num_samples=30, truncation=0.3, quantisation="truncate", path_samples=20, manifold_samples=10, kid_subset_size=10
)
GENERATOR = Weights({}, {"step": "1", "images": "5", "epoch": "0.1"})


def test_path_lengths_are_of_latents_and_statistics_without_truncation(sampler):
    progress, extractor = Progress(1, 5, 0.1), PixelExtractor()
    pixels = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    real = ImageFeatures.of(ImageSet("toy", pixels, torch.zeros(40, dtype=torch.int64)), extractor, 40)
    reference = {"domain": Reference.between(ExtractorFacts.of(extractor), real, None, "train", 10)}
    scorer = LatentScorer(RECIPE, RULES, Evaluator([extractor], reference), GENERATOR, StopRequest())
    of = partial(sampler_path_length, extractor=extractor, count=20, seed=0, progress=progress)
    found = scorer.score(sampler, "samples")["domain_ppl"]
    assert found == of(sampler)
    assert found != of(under_truncation(RECIPE, sampler, 0.3, progress))


def test_what_is_seen_over_time_is_of_the_same_samples_as_all_else(sampler):
    seen = []
    evaluator = SimpleNamespace(score_sampler=lambda sampler, rules, **more: {"fid": 1.0})
    test = SimpleNamespace(score=lambda clips, *more: seen.append(clips) or {"content_kept": 1.0})
    scorer = ClipScorer(RECIPE, RULES, evaluator, GENERATOR, StopRequest(), test)
    assert scorer.score(sampler, "samples") == {"fid": 1.0, "content_kept": 1.0}
    progress = Progress(1, 5, 0.1)
    truncated = under_truncation(RECIPE, sampler, 0.3, progress)
    (samples,) = truncated.stream(30, seed=0, progress=progress, truncation=0.3)
    assert torch.equal(seen[0], to_pixels(samples, "truncate"))
    assert not torch.equal(seen[0], to_pixels(samples))


def test_every_threshold_of_the_sweep_has_its_own_statistics(sampler, monkeypatch):
    scored = []

    class Evaluator:
        def __init__(self, *given, **more):
            pass

        def score_sampler(self, sampler, rules, **more):
            scored.append((rules.truncation, sampler))
            return dict.fromkeys(("precision", "recall", "density", "coverage", "fid"), 0.0)

    monkeypatch.setattr(truncation, "exported_sampler", lambda *given: sampler)
    monkeypatch.setattr(truncation, "Evaluator", Evaluator)
    monkeypatch.setattr(truncation, "extractors_of", lambda *given: [])
    monkeypatch.setattr(truncation, "fastest", lambda _: SimpleNamespace(name="domain", metric_prefix=""))
    generator = Weights({}, {"dataset": "drawn", "step": "1", "images": "5", "epoch": "0.1"})
    reference = {"domain": SimpleNamespace(real=range(100))}
    truncation.sweep_truncation(SimpleNamespace(name="small", recipe=RECIPE), Weights({}, {}), reference, generator)
    assert [threshold for threshold, _ in scored] == [0.2, 0.5, 1.0, 1.5, 2.0, None]
    assert scored[-1][1] is sampler
    for threshold, one in scored:
        torch.testing.assert_close(
            statistics(one),
            statistics(under_truncation(RECIPE, sampler, threshold, Progress(1, 5, 0.1))),
            rtol=0,
            atol=0,
        )
    assert len({statistics(one).sum().item() for _, one in scored}) == 6
