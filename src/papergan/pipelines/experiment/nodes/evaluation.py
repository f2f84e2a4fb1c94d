"""The final scores: one protocol for the last generator and for the best ones."""

from __future__ import annotations

from functools import partial

from papergan.data.images import ImageSplits
from papergan.evaluation.evaluate import score_samples
from papergan.evaluation.scorecard import BestScore, ScoreCard
from papergan.game.sampler import Sampler
from papergan.pipelines.checked import Experiment
from papergan.pipelines.experiment.nodes.account import card
from papergan.pipelines.experiment.nodes.judging import judge
from papergan.pipelines.experiment.nodes.rulers import extractors_of, references_from
from papergan.pipelines.experiment.restore import is_asked, progress_of, published_sampler, stoppable, trained_game
from papergan.pixels import to_pixels
from papergan.weights import Weights


def evaluate(
    experiment: Experiment,
    images: ImageSplits,
    domain_classifier: Weights,
    reference: Weights,
    trained: Weights,
    generator: Weights,
    snapshots: Weights,
) -> ScoreCard:
    """Score the final generator and the best ones alike, and the discriminator; everything from saved weights.

    Document 000 reports the best epoch of each metric; both stand beside the final values here, under one protocol.
    """
    recipe = experiment.recipe
    how, seed = recipe.evaluation, recipe.seed
    extractors, references = extractors_of(recipe, domain_classifier), references_from(reference)
    with stoppable("the final evaluation") as stop:
        asked = partial(is_asked, stop)

        def score(sampler: Sampler) -> dict[str, float]:
            stream = sampler.stream(how.final_num_samples, seed=seed, progress=progress_of(generator))
            return score_samples(
                (to_pixels(batch) for batch in stream), extractors, references, splits=how.splits, seed=seed,
                batch_size=how.batch_size, should_stop=asked,
            )  # fmt: skip

        final = score(published_sampler(recipe, generator))
        best: dict[str, BestScore] = {}
        for name in sorted({key.split(".", 1)[0] for key in snapshots.metadata}):
            step, epoch = int(snapshots.metadata[f"{name}.step"]), float(snapshots.metadata[f"{name}.epoch"])
            is_final = step == int(generator.metadata["step"])
            metrics = final if is_final else score(published_sampler(recipe, generator, snapshots.under(name)))
            best[name] = BestScore(step=step, epoch=epoch, **metrics)
        final |= judge(
            trained_game(recipe, trained), images.train, count=how.discriminator_samples, seed=seed,
            batch_size=how.batch_size, progress=progress_of(trained), should_stop=asked,
        )  # fmt: skip
    protocols = [
        held.protocol(
            num_samples=how.final_num_samples,
            weights="raw" if generator.metadata["weights"] == "raw" else "ema",
            splits=how.splits,
            seed=seed,
        )
        for held in references.values()
    ]
    return card(experiment, trained.metadata, protocols=protocols, final=final, best=best)
