"""Scorers of the final evaluation: for generators that take latents, and for those that translate images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSplits
from papergan.data.input_images import InputSet
from papergan.data.moving_images import content_classes, one_frame_each
from papergan.data.translation import Domain
from papergan.datasets.feature_cache import FeatureCache
from papergan.distributed.evaluator import evaluator_of
from papergan.evaluation.clip_scores import ClipTest
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules, Protocol
from papergan.evaluation.reference import References, reference_and_held_out
from papergan.evaluation.scorecard import RealRow
from papergan.evaluation.translation_scores import TranslationTest
from papergan.extractors.domain_classifier import DomainExtractor
from papergan.game.sampler import Sampler
from papergan.image_range import to_pixels
from papergan.metrics.lpips import lpips_of
from papergan.networks.image_to_image.directions import A_TO_B, B_TO_A, directions_of
from papergan.pipelines.experiment.nodes.references import cached_rows, classifier_of, evaluator_against
from papergan.pipelines.experiment.restore import device_of, progress_of, under_truncation
from papergan.training.signals import StopRequest
from papergan.weights import Weights


class Scorer(ABC):
    """Scores the generators of one experiment alike, the last one and those of its best epochs."""

    @property
    @abstractmethod
    def protocols(self) -> Sequence[Protocol]:
        """The protocols of all its scores."""

    @abstractmethod
    def score(self, sampler: Sampler, what: str) -> dict[str, float]:
        """Every score of a generator. what: a name of what is scored, for messages."""

    @abstractmethod
    def baseline_rows(self) -> tuple[RealRow, ...]:
        """The scores of baselines without a network, where there are any."""


@dataclass(frozen=True)
class LatentScorer(Scorer):
    """Scores samples. generator: weights of the final one, whose progress is used for all."""

    recipe: Recipe
    rules: EvaluationRules
    evaluator: Evaluator
    generator: Weights
    stop: StopRequest

    @property
    def protocols(self) -> Sequence[Protocol]:
        return [held.protocol(self.rules) for held in self.evaluator.references.values()]

    def score(self, sampler: Sampler, what: str) -> dict[str, float]:
        truncated = under_truncation(self.recipe, sampler, self.rules.truncation, progress_of(self.generator))
        return self._scores(truncated, sampler, what)

    def _scores(self, sampler: Sampler, untruncated: Sampler, what: str) -> dict[str, float]:
        """Every score of a generator. untruncated: the same one, see `Evaluator.score_sampler`."""
        return self.evaluator.score_sampler(
            sampler, self.rules, progress=progress_of(self.generator), should_stop=self.stop.requested, what=what,
            untruncated=untruncated,
        )  # fmt: skip

    def baseline_rows(self) -> tuple[RealRow, ...]:
        return ()


@dataclass(frozen=True)
class ClipScorer(LatentScorer):
    """Scores samples that are clips of moving images; scores over time are computed on the same samples."""

    test: ClipTest

    def _scores(self, sampler: Sampler, untruncated: Sampler, what: str) -> dict[str, float]:
        rules, progress = self.rules, progress_of(self.generator)
        stream = sampler.stream(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
        clips = torch.cat([to_pixels(part, rules.quantisation).cpu() for part in stream])
        return super()._scores(sampler, untruncated, what) | self.test.score(clips, what, self.stop.requested)

    def baseline_rows(self) -> tuple[RealRow, ...]:
        return (self.test.real_row(tuple(self.protocols), self.stop.requested),)


@dataclass(frozen=True)
class TranslationScorer(Scorer):
    """Scores translated test images. tests: by direction, the generator's own first. cache: keeps the baselines."""

    tests: Mapping[str, TranslationTest]
    cache: FeatureCache
    stop: StopRequest

    @property
    def protocols(self) -> Sequence[Protocol]:
        return [protocol for test in self.tests.values() for protocol in test.protocols]

    def score(self, sampler: Sampler, what: str) -> dict[str, float]:
        networks, should_stop = directions_of(sampler.generator), self.stop.requested
        scores: dict[str, float] = {}
        for direction, test in self.tests.items():
            back = networks.get(B_TO_A if direction == A_TO_B else A_TO_B)
            scores |= test.score(networks[direction], back, sampler.device, should_stop, what)
        return scores

    def baseline_rows(self) -> tuple[RealRow, ...]:
        return tuple(row for test in self.tests.values() for row in self._kept(test))

    def _kept(self, test: TranslationTest) -> tuple[RealRow, ...]:
        """The baselines of one direction: from the cache, otherwise scored now."""
        made_from = {
            "rows": "baselines", "inputs": test.inputs.digest, "name": test.inputs.name, "target": test.target.digest,
            "classes": test.classes, "protocols": [asdict(one) for one in test.protocols],
        }  # fmt: skip
        return cached_rows(self.cache, made_from, lambda: test.baseline_rows(self.stop.requested))


def scorer_of(
    experiment: Experiment, images: ImageSplits, classifier: Weights, reference: References, generator: Weights,
    sampler: Sampler, cache: FeatureCache, stop: StopRequest,
) -> Scorer:  # fmt: skip
    """The scorer for this kind of generator, with the rules of the recipe."""
    recipe = experiment.recipe
    rules = exported_rules(recipe.evaluation.rules(recipe.seed), generator)
    evaluator = evaluator_of(recipe, images, classifier, reference)
    if images.inputs is None and recipe.evaluation.domain and content_classes(images.train.classes):
        frames = ImageSplits(one_frame_each(images.train), one_frame_each(images.test))
        device = device_of(recipe)
        of_frames = classifier_of(
            frames, recipe.evaluation.domain_classifier, cache, device,
            deterministic=recipe.training.deterministic and device.type == "cuda",
        )  # fmt: skip
        of_clips = next(one for one in evaluator.extractors if one.class_names)
        test = ClipTest(
            DomainExtractor.from_weights(of_frames, device), of_clips, images.test,
            recipe.evaluation.batch_size,
        )  # fmt: skip
        return ClipScorer(recipe, rules, evaluator, generator, stop, test)
    if images.inputs is None:
        return LatentScorer(recipe, rules, evaluator, generator, stop)
    inputs = images.inputs
    lpips = lpips_of(recipe.evaluation, images.spec.size, device_of(recipe)) if inputs.test.paired else None
    tests = {A_TO_B: TranslationTest(images.test, inputs.test, evaluator, rules, recipe.classes or (), lpips)}
    if B_TO_A in directions_of(sampler.generator):
        of_inputs = ImageSplits(inputs.train.as_targets(), inputs.test.as_targets())
        real, held_out = reference_and_held_out(of_inputs, recipe.evaluation.reference)
        back = evaluator_against(
            real, held_out, recipe.evaluation, device_of(recipe), classifier, cache,
            floor_samples=recipe.evaluation.final_num_samples, stop=stop, split=recipe.evaluation.reference,
        )  # fmt: skip
        tests[B_TO_A] = TranslationTest(
            of_inputs.test, InputSet(images.test.name, images.test.images, inputs.test.paired), back, rules,
            _classes_of_inputs(recipe), lpips, back=True,
        )  # fmt: skip
    return TranslationScorer(tests, cache, stop)


def exported_rules(rules: EvaluationRules, generator: Weights) -> EvaluationRules:
    """The rules with the kind of weights that were exported: "raw" where the system keeps no average."""
    return replace(rules, weights="raw" if generator.metadata["weights"] == "raw" else "ema")


def _classes_of_inputs(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.input.classes or ()) if isinstance(recipe.input, Domain) else ()
