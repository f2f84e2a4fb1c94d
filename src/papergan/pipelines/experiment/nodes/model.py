"""The model: built before its first step, with a summary, and packaged as a folder that needs no pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from papergan.config.checked import Experiment
from papergan.config.papers import find_paper
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.datasets.page import Page
from papergan.evaluation.scorecard import ScoreCard
from papergan.inference.model_card import model_card
from papergan.inference.model_folder import StoredModel
from papergan.inference.store import diverged_model, stored_model
from papergan.pipelines.experiment.nodes.export import sample
from papergan.pipelines.experiment.restore import new_game, progress_of, spec_facts, spec_of, state_of, trained_game
from papergan.reporting.image_grid import encode_png
from papergan.reporting.model_summary import layer_table, network_table, notes_on, player_table, summarise, turn_table
from papergan.reporting.published_results import published_rows
from papergan.weights import Weights


def build_model(experiment: Experiment, images: ImageSplits) -> tuple[Weights, Page]:
    """Build the networks of the recipe from its seed, and from the training images where the system starts from them.

    Returns the initial state ("networks.*") and the model summary: networks, layers, parameters, operations, players,
    turns and terms.
    """
    recipe, spec = experiment.recipe, images.train.spec
    game = new_game(recipe, spec)
    if game.start_from is not None:
        game.start_from(images.train.images)
    summaries = summarise(game, spec)
    networks = network_table(summaries)
    parts = [
        ("Networks", networks),
        ("Players", player_table(game)),
        ("Turns of a training step", turn_table(game)),
        *((f"Layers of {one.name}", layer_table(one)) for one in summaries if len(one.layers) > 1),
    ]
    title = f"Model of {experiment.name}: {recipe.system}, recipe {recipe.fingerprint}"
    facts = {"kind": "initial state", "recipe": recipe.fingerprint, "system": recipe.system, **spec_facts(spec)}
    return Weights(state_of(game), facts), Page.of(parts, title, notes_on(game, spec, summaries), networks)


def package_model(
    experiment: Experiment, image_library: ImageLibrary, images: ImageSplits, trained: Weights, generator: Weights,
    scores: ScoreCard, published: Mapping[str, Any],
) -> StoredModel:  # fmt: skip
    """The exported generator with all that it was built from, its scores, and its model card.

    Of a training that diverged it has no weights, and says so when it is loaded.
    """
    recipe, about = experiment.recipe, _about(experiment, image_library, scores, published)
    if scores.diverged is not None:
        return diverged_model(recipe.system, scores.diverged, about)
    model = stored_model(
        trained_game(recipe, trained), generator.tensors, system=recipe.system, overrides=recipe.overrides,
        image=spec_of(generator), classes=images.train.classes, progress=progress_of(generator),
        weights=generator.metadata["weights"], about=about,
    )  # fmt: skip
    place = f"data/06_models/{experiment.name}"
    samples = sample(experiment, generator)
    picture = encode_png(samples.picture(scale=2), {"Description": samples.caption})
    return replace(model, card=model_card(model.config, picture=True, place=place), picture=picture)


def _about(
    experiment: Experiment, image_library: ImageLibrary, scores: ScoreCard, published: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of a model card, see `papergan.inference.model_card`. No durations, for equal bytes."""
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
        "protocol": {protocol.extractor: asdict(protocol) for protocol in scores.protocols},
        "metrics": dict(scores.final),
        "published": [asdict(row) for row in rows],
        "caveats": list(scores.notes),
        "versions": dict(scores.versions),
        "commit": scores.commit + (" with uncommitted changes" if scores.dirty else ""),
        "hardware": scores.hardware,
    }  # fmt: skip
