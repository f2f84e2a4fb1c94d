"""The pipeline of an experiment: ingest, build_model, train, swap_in_ema, evaluate, figures, and compare."""

from __future__ import annotations

from functools import cache
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from papergan import systems
from papergan.config import registry
from papergan.pipelines.comparison import COMPARED, compare
from papergan.pipelines.experiment.nodes import (
    class_figures,
    evaluation,
    export,
    figures,
    history,
    ingestion,
    model,
    packaging,
    playing_clips,
    references,
    style_mixing,
    training,
    translations,
    truncation,
)
from papergan.pipelines.groups import RECIPE, in_groups, named_node


def create_pipeline(experiment: str) -> Pipeline:
    """The pipeline of one experiment. `trained` is saved last: where it exists, all outputs of training exist."""
    entry = registry.discover().get(experiment)
    system, translates = (entry.system, entry.translates) if entry is not None else ("", False)
    traits = systems.traits(system) if system in systems.names() else frozenset()
    groups = _groups(
        translates=translates, styles="styles" in traits, codes="codes" in traits, clips="needs_clips" in traits
    )
    return in_groups(experiment, groups, shared={"image_library", "feature_cache", "model_library", *COMPARED})


@cache
def _groups(*, translates: bool, styles: bool, codes: bool, clips: bool) -> dict[str, Pipeline]:
    """The nodes of an experiment, without its name; made once for all experiments with the same nodes.

    translates: whether its generator is given images instead of latents; it then has figures of its own. styles,
    codes, clips: whether its system has or makes them, by its traits; from the recipe, not from --params.
    """
    recipe, classifier, latents = RECIPE, "domain_classifier", not translates

    def where(applies: bool, *one: Any) -> list[Node]:
        return [named_node(*one)] if applies else []

    nodes = {
        "ingestion": [
            named_node(ingestion.ingest, ["image_library", recipe], "raw_images"),
            named_node(ingestion.normalise, ["raw_images", recipe, "image_library"], "images"),
        ],
        "model": [
            named_node(model.build_model, [recipe, "images", "model_library"], ["initial_state", "model_summary"])
        ],
        "reference": [
            named_node(
                references.train_domain_classifier, [recipe, "images", "image_library", "feature_cache"], classifier
            ),
            named_node(references.build_reference, [recipe, "images", classifier, "feature_cache"], "reference"),
            named_node(references.score_real_images, [recipe, "images", "reference", "feature_cache"], "real_rows"),
        ],
        "training": [
            named_node(
                training.train,
                [
                    recipe, "images", "initial_state", classifier, "reference", "checkpoints", "tracker",
                    "model_library",
                ],
                ["history", "snapshots", "frames", "trained"],
            ),
            named_node(export.swap_in_ema, [recipe, "images", "trained"], "generator"),
        ],
        "evaluation": [
            named_node(
                evaluation.evaluate,
                [
                    recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots",
                    "feature_cache",
                ],
                "scores",
            ),
            *where(latents, truncation.sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        ],
        "reporting": [
            named_node(history.draw_curves, [recipe, "history", "published"], ["curves", "further_curves"]),
            named_node(history.write_log, [recipe, "history", "published"], "training_log"),
            *where(latents, figures.draw_over_time, [recipe, "frames"], "over_time"),
            *where(translates, translations.draw_over_time, [recipe, "images", "frames"], "over_time"),
            named_node(figures.animate, [recipe, "frames"], "progress"),
            named_node(export.sample, [recipe, "images", "generator"], "samples"),
            *where(latents, figures.interpolate, [recipe, "images", "trained", "generator"], "interpolation"),
            *where(latents, class_figures.draw_by_class, [recipe, "images", classifier, "generator"], "by_class"),
            *where(codes, class_figures.draw_codes, [recipe, "images", "trained", "generator"], "codes"),
            *where(styles, style_mixing.draw_style_mixing, [recipe, "generator"], "style_mixing"),
            *where(clips, playing_clips.play_clips, [recipe, "images", "generator"], "clips"),
            *where(clips, playing_clips.swap_codes, [recipe, "generator"], "swapped_codes"),
            *where(translates, translations.draw_translations, [recipe, "images", "generator"], "translations"),
            named_node(figures.draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
            named_node(
                packaging.package_model,
                [recipe, "image_library", "images", "trained", "generator", "scores", "published"],
                "model",
            ),
            node(compare, [*COMPARED, "scores"], "comparison", name="compare", tags=["comparison"]),
        ],
    }  # fmt: skip
    return {group: Pipeline(members, tags=["experiment"]) for group, members in nodes.items()}
