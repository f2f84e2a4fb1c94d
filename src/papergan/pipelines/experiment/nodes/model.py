"""Building the model: the game of a recipe before its first step, and a summary of it."""

from __future__ import annotations

from papergan.compression.fine_tuning import start_from_trained
from papergan.config.checked import Experiment
from papergan.data.images import ImageSplits
from papergan.datasets.page import Page
from papergan.inference.model_library import ModelLibrary
from papergan.objectives.fixed_features import with_stand_ins
from papergan.pipelines.experiment.restore import new_game, spec_facts, state_of
from papergan.reporting.model_summary import layer_table, network_table, notes_on, player_table, summarise, turn_table
from papergan.weights import Weights


def build_model(
    experiment: Experiment, images: ImageSplits, model_library: ModelLibrary
) -> tuple[Weights, Page]:  # fmt: skip
    """Build the networks of the recipe, with weights from its seed, from the training images where the system starts
    with these, and from a trained model where the recipe fine-tunes one.

    Returns the initial state ("networks.*") and the model summary: networks, layers, parameters, operations, players,
    turns and terms.
    """
    recipe, spec = experiment.recipe, images.spec
    game = new_game(recipe, spec)
    if game.start_from is not None:
        game.start_from(images.train.images)
    if (tuning := recipe.fine_tuning) is not None:
        trained = model_library.networks(tuning.model)
        start_from_trained(game, model_library.model(tuning.model), trained, tuning.prune_weights)
    summaries = summarise(with_stand_ins(game), spec)
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
