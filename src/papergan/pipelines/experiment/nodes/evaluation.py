"""The final evaluation: the last and the best generators under one protocol."""

from __future__ import annotations

from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.datasets.feature_cache import FeatureCache
from papergan.evaluation.encoder_scores import score_encoder
from papergan.evaluation.reference import References
from papergan.evaluation.scorecard import BestScore, RealRow, ScoreCard
from papergan.extractors.domain_training import is_near_chance
from papergan.game.nan_guard import finite_only
from papergan.game.sampler import Sampler, measure_sampling_seconds
from papergan.pipelines.experiment.nodes.discriminator_metrics import (
    discriminator_is_trained,
    measure_discriminator,
)
from papergan.pipelines.experiment.nodes.divergence import divergence_of
from papergan.pipelines.experiment.nodes.scorecard import card
from papergan.pipelines.experiment.restore import (
    check_one_run,
    exported_sampler,
    numerics_of,
    progress_of,
    trained_game,
)
from papergan.pipelines.experiment.scorers import scorer_of
from papergan.training.memory import memory_errors
from papergan.training.signals import stoppable
from papergan.weights import Weights

UNTRAINED = "no accuracy of a discriminator, since none is trained"
NEAR_CHANCE = "domain classifier little better than chance: its metrics say nothing"


def evaluate(
    experiment: Experiment,
    images: ImageSplits,
    domain_classifier: Weights,
    reference: References,
    real_rows: tuple[RealRow, ...],
    trained: Weights,
    generator: Weights,
    snapshots: Weights,
    feature_cache: FeatureCache,
) -> ScoreCard:
    """Score the final and the best generators alike, the discriminator and the encoder; everything from saved weights.

    tahvili2025 reports the best epoch of each metric; here both are next to the final values, under one protocol.
    Raises CheckpointError if images and weights are not of one run.
    """
    recipe = experiment.recipe
    if (reason := divergence_of(trained)) is not None:
        return card(experiment, trained.metadata, diverged=reason, generator_digest=generator.digest)
    check_one_run(images, trained, generator, snapshots)
    settings = recipe.evaluation
    memory = memory_errors("the final evaluation", f"lower evaluation.batch_size (now {settings.batch_size})")
    with memory, numerics_of(recipe), stoppable("the final evaluation") as stop:
        sampler = exported_sampler(recipe, generator, images=images)
        scorer = scorer_of(
            experiment, images, domain_classifier, reference, generator, sampler, feature_cache, stop
        )  # fmt: skip

        def score(sampler: Sampler, what: str) -> dict[str, float]:
            return finite_only(scorer.score(sampler, what), what)

        seconds = measure_sampling_seconds(sampler, seed=recipe.seed, progress=progress_of(generator))
        final = score(sampler, "samples of the final generator")
        best: dict[str, BestScore] = {}
        scored = {int(generator.metadata["step"]): final}
        for name in sorted({key.split(".", 1)[0] for key in snapshots.metadata if "." in key}):
            step, epoch = int(snapshots.metadata[f"{name}.step"]), float(snapshots.metadata[f"{name}.epoch"])
            if step not in scored:
                sampler = exported_sampler(recipe, generator, snapshots.under(name), images=images)
                scored[step] = score(sampler, f"samples of the {name.replace('_', ' ')} generator")
            best[name] = BestScore(step=step, epoch=epoch, **scored[step])
        game, should_stop = trained_game(recipe, trained, images), stop.requested
        progress = progress_of(trained)
        of_discriminator = measure_discriminator(
            game, images, count=settings.discriminator_samples, seed=recipe.seed,
            batch_size=settings.batch_size, training_batch_size=recipe.training.sizes.at(progress.images),
            progress=progress, should_stop=should_stop,
        )  # fmt: skip
        of_encoder = score_encoder(game, images, batch_size=settings.batch_size, should_stop=should_stop)
        real_rows += scorer.baseline_rows()
    final |= finite_only(of_discriminator, "the discriminator") | finite_only(of_encoder, "the encoder")
    return card(
        experiment, trained.metadata, protocols=scorer.protocols, final=final, best=best, real_rows=real_rows,
        sampling_seconds=seconds, generator_digest=generator.digest,
        remarks=[
            *([] if discriminator_is_trained(game) else [UNTRAINED]),
            *([NEAR_CHANCE] if settings.domain and is_near_chance(domain_classifier) else []),
        ],
    )  # fmt: skip
