"""The final evaluation: the last and the best generators under one protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.distributed.evaluator import evaluator_of
from papergan.evaluation.encoder_scores import score_encoder
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References
from papergan.evaluation.scorecard import BestScore, RealRow, ScoreCard
from papergan.evaluation.translation_scores import TranslationTest, baseline_rows, cycle_error, translated
from papergan.game.nan_guard import finite_only
from papergan.game.sampler import Sampler, measure_sampling_seconds
from papergan.networks.image_to_image.translation import BothDirections
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator
from papergan.pipelines.experiment.nodes.divergence import divergence_of
from papergan.pipelines.experiment.nodes.scorecard import card
from papergan.pipelines.experiment.restore import (
    load_generator,
    numerics_of,
    progress_of,
    stop_requested,
    stoppable,
    trained_game,
    under_truncation,
)
from papergan.training.memory import memory_errors
from papergan.weights import Weights


def evaluate(
    experiment: Experiment,
    images: ImageSplits,
    domain_classifier: Weights,
    reference: References,
    real_rows: tuple[RealRow, ...],
    trained: Weights,
    generator: Weights,
    snapshots: Weights,
) -> ScoreCard:
    """Score the final generator and the best ones alike, discriminator and encoder too; everything from saved weights.

    tahvili2025 reports the best epoch of each metric; both stand beside the final values here, under one protocol.
    """
    recipe = experiment.recipe
    if (reason := divergence_of(trained)) is not None:
        return card(experiment, trained.metadata, diverged=reason, generator_digest=generator.digest)
    settings = recipe.evaluation
    rules = exported_rules(settings.rules(recipe.seed), generator)
    evaluator = evaluator_of(recipe, images, domain_classifier, reference)
    memory = memory_errors("the final evaluation", f"lower evaluation.batch_size (now {settings.batch_size})")
    with memory, numerics_of(recipe), stoppable("the final evaluation") as stop:
        should_stop = partial(stop_requested, stop)

        test = translation_test(experiment, images, rules)

        def score(sampler: Sampler, what: str) -> dict[str, float]:
            if test is not None:
                return finite_only(score_translation(sampler, test, evaluator, should_stop, what), what)
            progress = progress_of(generator)
            sampler = under_truncation(recipe, sampler, rules.truncation, progress)
            scores = evaluator.score_sampler(sampler, rules, progress=progress, should_stop=should_stop, what=what)
            return finite_only(scores, what)

        sampler = load_generator(recipe, generator, images=images)
        seconds = measure_sampling_seconds(sampler, seed=recipe.seed, progress=progress_of(generator))
        final = score(sampler, "samples of the final generator")
        best: dict[str, BestScore] = {}
        for name in sorted({key.split(".", 1)[0] for key in snapshots.metadata}):
            step, epoch = int(snapshots.metadata[f"{name}.step"]), float(snapshots.metadata[f"{name}.epoch"])
            metrics = final
            if step != int(generator.metadata["step"]):
                sampler = load_generator(recipe, generator, snapshots.under(name), images=images)
                metrics = score(sampler, f"samples of the {name.replace('_', ' ')} generator")
            best[name] = BestScore(step=step, epoch=epoch, **metrics)
        game = trained_game(recipe, trained, images)
        of_discriminator = measure_discriminator(
            game, images, count=settings.discriminator_samples, seed=rules.seed,
            batch_size=settings.batch_size, progress=progress_of(trained), should_stop=should_stop,
        )  # fmt: skip
        of_encoder = score_encoder(game, images, batch_size=settings.batch_size, should_stop=should_stop)
        if test is not None:
            rules = test.rules_for(evaluator)
            real_rows += baseline_rows(test, evaluator, should_stop)
    protocols = [held.protocol(rules) for held in reference.values()]
    final |= finite_only(of_discriminator, "the discriminator") | finite_only(of_encoder, "the encoder")
    return card(
        experiment, trained.metadata, protocols=protocols, final=final, best=best, real_rows=real_rows,
        sampling_seconds=seconds, generator_digest=generator.digest,
    )  # fmt: skip


def translation_test(experiment: Experiment, images: ImageSplits, rules: EvaluationRules) -> TranslationTest | None:
    """What a translation is tested on; None for a generator of latents."""
    if images.inputs is None:
        return None
    return TranslationTest(images.test, images.inputs.test, rules, experiment.recipe.classes or ())


def score_translation(
    sampler: Sampler, test: TranslationTest, evaluator: Evaluator, should_stop: Callable[[], bool], what: str
) -> dict[str, float]:
    """Every score of the translated test inputs, and the error after there and back where there is a way back."""
    generator = sampler.generator
    scores = test.scores(translated(generator, test.given, sampler.device), evaluator, should_stop, what)
    if isinstance(generator, BothDirections):
        scores["cycle_error"] = cycle_error(generator.a_to_b, generator.b_to_a, test.given, sampler.device)
    return scores


def exported_rules(rules: EvaluationRules, generator: Weights) -> EvaluationRules:
    """The rules with the kind of weights that were exported: "raw" where the system keeps no average."""
    return replace(rules, weights="raw" if generator.metadata["weights"] == "raw" else "ema")
