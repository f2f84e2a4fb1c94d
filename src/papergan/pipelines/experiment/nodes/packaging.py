"""Packaging: the trained generator as a model folder that can be used without this project's pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from papergan.config.checked import Experiment
from papergan.config.papers import find_paper
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.errors import CheckpointError
from papergan.evaluation.scorecard import ScoreCard
from papergan.inference.model_card import model_card
from papergan.inference.model_folder import StoredModel
from papergan.inference.store import diverged_model, stored_model
from papergan.pipelines.experiment.nodes.export import sample
from papergan.pipelines.experiment.restore import check_one_run, progress_of, spec_of, trained_game
from papergan.reporting.image_grid import encode_png
from papergan.reporting.published_results import published_rows
from papergan.weights import Weights


def package_model(
    experiment: Experiment, image_library: ImageLibrary, images: ImageSplits, trained: Weights, generator: Weights,
    scores: ScoreCard, published: Mapping[str, Any],
) -> StoredModel:  # fmt: skip
    """The exported generator with everything that it was built from, its scores, and its model card.

    For a training that diverged it has no weights, and loading it reports the divergence. Raises CheckpointError if
    images and weights are not of one run, or the scores are of another generator.
    """
    recipe, about = experiment.recipe, _about(experiment, image_library, scores, published)
    if scores.diverged is not None:
        return diverged_model(recipe.system, scores.diverged, about)
    check_one_run(images, trained, generator)
    if scores.generator_digest != generator.digest:
        raise CheckpointError(
            f"the scores are of another generator than that of step {generator.metadata['step']}: run from "
            f"evaluation.{experiment.name}.evaluate on, or give the versions of one run to --load-versions"
        )
    model = stored_model(
        trained_game(recipe, trained), generator.tensors, system=recipe.system, overrides=recipe.overrides,
        image=spec_of(generator), classes=images.train.classes, progress=progress_of(generator),
        weights=generator.metadata["weights"], about=about,
    )  # fmt: skip
    place = f"data/06_models/{experiment.name}"
    samples = sample(experiment, images, generator)
    picture = encode_png(samples.picture(scale=2), {"Description": samples.caption})
    return replace(model, card=model_card(model.config, picture=True, place=place), picture=picture)


def _about(
    experiment: Experiment, image_library: ImageLibrary, scores: ScoreCard, published: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of a model card, see `papergan.inference.model_card`. No durations, so that bytes are equal."""
    paper = find_paper(experiment.recipe.paper)
    licence = image_library.licence(experiment.recipe.dataset)
    rows = [row for row in published_rows(published) if experiment.name in row.experiments]
    return {
        "experiment": experiment.name,
        "recipe": experiment.recipe.model_dump(mode="json"),
        "paper": {
            "key": experiment.recipe.paper, "title": paper.title, "authors": list(paper.authors), "year": paper.year,
            "link": paper.link,
        },
        "dataset": scores.dataset,
        "data_digest": scores.data_digest,
        **({} if licence is None else {"data_license": licence}),
        "protocol": {protocol.source: asdict(protocol) for protocol in scores.protocols},
        "metrics": dict(scores.final),
        "published": [asdict(row) for row in rows],
        "caveats": list(scores.notes),
        "versions": dict(scores.versions),
        "commit": scores.commit + (" with uncommitted changes" if scores.dirty else ""),
        "hardware": scores.hardware,
    }  # fmt: skip
