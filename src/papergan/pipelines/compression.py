"""The pipeline `compression`: smaller and faster forms of a trained generator, their costs and quality."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial

import torch
from kedro.pipeline import Pipeline

from papergan.compression.costs import costs_of, measure_seconds, median_and_spread
from papergan.compression.variants import Variant, compress
from papergan.config.checked import CompressionPlan, Experiment
from papergan.config.compression import BASELINE
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.datasets.compressed_models import CompressedFiles
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.distributed.evaluator import evaluator_of
from papergan.errors import CheckpointError, RecipeError
from papergan.evaluation.compute_metrics import SCORED_AS
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References
from papergan.inference.model_card import model_card
from papergan.inference.model_folder import StoredModel, read_model
from papergan.pipelines.experiment.nodes.ingestion import ingest, normalise
from papergan.pipelines.experiment.nodes.references import build_reference, train_domain_classifier
from papergan.pipelines.groups import named_node
from papergan.reporting.compression import CompressionResult, Timing, compression_table, draw_front
from papergan.reporting.image_grid import ImageGrid
from papergan.reporting.pages import console_table
from papergan.tracking import provenance
from papergan.training.signals import stoppable
from papergan.weights import Weights

logger = logging.getLogger(__name__)

COMPARED, SHOWN = 256, 8  # images for the deviation; images of each variant in the picture
CONSOLE = ("variant", "parameters", "KiB", "images per second")


def load_model(plan: CompressionPlan) -> StoredModel:
    """The trained generator. Raises CheckpointError where it is damaged."""
    return read_model(plan.place)


def compress_model(plan: CompressionPlan, model: StoredModel) -> tuple[dict[str, Variant], dict[str, str]]:
    """Every variant that can be made, by name; and why the others cannot. Raises the baseline's error."""
    made: dict[str, Variant] = {}
    failed: dict[str, str] = {}
    for name, settings in plan.recipe.variants.items():
        try:
            given = read_model(plan.places[settings.model]) if settings.model else model
            made[name] = compress(given, name, settings, threads=plan.recipe.threads)
        except RecipeError as error:
            if name == BASELINE:
                raise
            failed[name] = str(error).removeprefix(f"{name}: ")
            logger.warning("%s cannot be made: %s", name, failed[name])
    return made, failed


def ingest_images_of(plan: CompressionPlan, model: StoredModel, image_library: ImageLibrary) -> ImageSplits:
    """The images that the generator was trained on, prepared as they were then."""
    experiment = experiment_of_model(plan, model)
    return normalise(ingest(image_library, experiment), experiment, image_library)


def measure_variants(
    plan: CompressionPlan, model: StoredModel, variants: Mapping[str, Variant], failed: Mapping[str, str],
    images: ImageSplits, image_library: ImageLibrary, feature_cache: FeatureCache,
) -> tuple[CompressionResult, ...]:  # fmt: skip
    """Size, time and scores of every variant; scores are kept in the feature cache, times are measured in this run."""
    experiment = experiment_of_model(plan, model)
    classifier = train_domain_classifier(experiment, images, image_library, feature_cache)
    references = build_reference(experiment, images, classifier, feature_cache)
    evaluator = evaluator_of(experiment.recipe, images, classifier, references)
    rules = replace(
        experiment.recipe.evaluation.rules(experiment.recipe.seed), num_samples=plan.recipe.num_samples,
        path_samples=0, cas_samples=0, nas_samples=0,
        truncation=None,  # of which an ONNX file knows nothing: its BatchNorm statistics are part of its weights
    )  # fmt: skip
    with stoppable("the measurement of compressed generators") as stop:
        should_stop = stop.requested
        scores = {
            name: _scores(variant, [replace(rules, seed=seed) for seed in plan.recipe.seeds], evaluator,
                          references, feature_cache, should_stop)
            for name, variant in variants.items()
        }  # fmt: skip
        logger.info("Taking the times of %d variants with %d threads", len(variants), plan.recipe.threads)
        seconds = measure_seconds(
            list(variants.values()),
            plan.recipe.batch_sizes,
            threads=plan.recipe.threads,
            rounds=plan.recipe.rounds,
            compiled=plan.recipe.compiled,
            should_stop=should_stop,
        )
    original = _some_images(variants[BASELINE], COMPARED)
    results = []
    for name, settings in plan.recipe.variants.items():
        what = settings.model_dump(exclude_defaults=True)
        if name in failed:
            results.append(CompressionResult(name=name, what=what, failed=failed[name]))
            continue
        timings = [
            Timing(runtime=runtime, batch=batch, seconds=median, spread=spread)
            for (variant, runtime, batch), times in seconds.items()
            if variant == name
            for median, spread in [median_and_spread(times)]
        ]
        difference = (_some_images(variants[name], COMPARED) - original).abs().mean() * 127.5
        results.append(
            CompressionResult(
                name=name,
                what=what,
                **asdict(costs_of(variants[name], max(plan.recipe.batch_sizes))),
                deviation=float(difference),
                timings=tuple(timings),
                scores=scores[name],
            )
        )
    return tuple(results)


def _scores(
    variant: Variant, rules_by_seed: Sequence[EvaluationRules], evaluator: Evaluator, references: References,
    cache: FeatureCache, should_stop: Callable[[], bool],
) -> tuple[dict[str, float], ...]:  # fmt: skip
    """The scores of a variant for each seed, kept once computed."""
    digest = hashlib.sha256(variant.file).hexdigest()

    def make(rules: EvaluationRules) -> Weights:
        logger.info("Scoring %s, seed %d", variant.name, rules.seed)
        scores = evaluator.score_sampler(
            variant.sampler, rules, progress=variant.progress, should_stop=should_stop, what=f"{variant.name}'s samples"
        )
        return Weights({}, {"scores": json.dumps(scores)})

    def kept(rules: EvaluationRules) -> dict[str, float]:
        protocols = {name: asdict(held.protocol(rules)) for name, held in references.items()}
        about = {"variant": digest, "protocols": protocols, "rules": asdict(rules), "scored_as": SCORED_AS}
        weights = cache.get_or_compute("compressed_scores", about, partial(make, rules))
        return dict(json.loads(weights.metadata["scores"]))

    return tuple(map(kept, rules_by_seed))


def export_variants(
    plan: CompressionPlan, variants: Mapping[str, Variant], results: tuple[CompressionResult, ...]
) -> dict[str, CompressedFiles]:
    """The models by variant, each with a card that has its scores, and their ONNX files."""
    scores = {result.name: result.scores[0] for result in results if result.scores}
    files = {}
    for name, variant in variants.items():
        place, model = f"{plan.name_of_model}/{name}", variant.model
        if model is not None:
            model = with_card(model, scores[name], f"data/06_models/compression/{place}")
        files[place] = CompressedFiles(model, variant.onnx)
    return files


def with_card(model: StoredModel, scores: Mapping[str, float], place: str) -> StoredModel:
    """The model with its scores, and a card that says what it was compressed from and how.

    Without a protocol: that of the model's own evaluation has another number of samples.
    """
    about = {key: value for key, value in model.about.items() if key != "protocol"}
    config = {**model.config, "about": about | {"metrics": dict(scores)}}
    return replace(model, config=config, card=model_card(config, place=place))


def tabulate(plan: CompressionPlan, model: StoredModel, results: tuple[CompressionResult, ...]) -> Page:
    """The page: a row per variant."""
    table, settings = compression_table(results, BASELINE), plan.recipe
    title = f"{plan.name_of_model} compressed"
    notes = [
        f"generator {model.config['digest'][:16]} of {plan.place}, system {model.config['system']}",
        f"quality: mean ± deviation over seeds {', '.join(map(str, settings.seeds))} of {settings.num_samples} samples "
        "each, under the protocol of the model's own final evaluation, without truncation; in brackets the change "
        "against float32",
        f"times: median ± half the distance of the quartiles over {settings.rounds} rounds in which all variants took "
        f"turns, {settings.threads} threads; x: as many times as fast as the faster runtime of float32",
        "KiB packed: the file under zlib, which is where zero weights are seen; zeros make neither torch nor ONNX "
        "Runtime faster; int8 runs in ONNX Runtime alone",
        "after pruning statistics of BatchNorm were estimated anew; nothing was trained, but where a variant has a "
        "model of its own",
        f"{provenance.hardware(torch.device('cpu'))}; {provenance.note(provenance.commit(), provenance.versions())}",
    ]
    narrow = table[[name for name in [*CONSOLE, *table.columns[-5:]] if name in table.columns]]
    narrow = narrow.loc[:, ~narrow.columns.duplicated()]
    return Page.of([("Variants", table)], title, notes, table, console=f"{title}\n{console_table(narrow)}")


def draw_pareto(plan: CompressionPlan, results: tuple[CompressionResult, ...]) -> object:
    """A matplotlib Figure: quality against the time of the smallest batch."""
    return draw_front(results, min(plan.recipe.batch_sizes), f"{plan.name_of_model} compressed")


def draw_variants(plan: CompressionPlan, variants: Mapping[str, Variant]) -> ImageGrid:
    """Images of the same latents, a row per variant."""
    rows = [((_some_images(variant, SHOWN) + 1) * 127.5).round().clamp(0, 255).byte() for variant in variants.values()]
    return ImageGrid(torch.cat(rows), f"{plan.name_of_model} compressed", SHOWN, tuple(variants))


def _some_images(variant: Variant, count: int) -> torch.Tensor:
    latents = variant.sampler.latents(count, 0, "compared", progress=variant.progress)
    return variant.sampler.decode(*latents).clamp(-1, 1)


def experiment_of_model(plan: CompressionPlan, model: StoredModel) -> Experiment:
    """The experiment that trained a model, from its own configuration; features on the device of the plan.

    Raises CheckpointError where the model does not have it, RecipeError where this version cannot read it.
    """
    recipe = model.about.get("recipe")
    if not recipe:
        raise CheckpointError(f"{plan.place} does not say what it was trained on; train it here, or take another model")
    parsed = Recipe.parse(plan.name_of_model, recipe)
    training = parsed.training.model_copy(update={"device": plan.recipe.device, "devices": 1})
    return Experiment(plan.name_of_model, parsed.model_copy(update={"training": training}))


def create_pipeline() -> Pipeline:
    """The pipeline from a trained generator to the table of its compressed forms."""
    plan, shared = "params:compression", ["image_library", "feature_cache"]
    model, images, results = "compression.original", "compression.images", "compression.results"
    variants, failed = "compression.variants", "compression.failed"
    nodes = [
        named_node(load_model, plan, model),
        named_node(ingest_images_of, [plan, model, "image_library"], images),
        named_node(compress_model, [plan, model], [variants, failed]),
        named_node(measure_variants, [plan, model, variants, failed, images, *shared], results),
        named_node(export_variants, [plan, variants, results], "compression.models"),
        named_node(draw_variants, [plan, variants], "compression.samples"),
        named_node(draw_pareto, [plan, results], "compression.front"),
        named_node(tabulate, [plan, model, results], "compression.page"),
    ]  # fmt: skip
    return Pipeline(nodes, tags=["compression"])
