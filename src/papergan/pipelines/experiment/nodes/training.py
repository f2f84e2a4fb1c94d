"""The training node: runs `Trainer` with the settings of a recipe and reports to the tracker."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from torch import Tensor

from papergan.compression.teacher import give_teacher
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSplits
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.distributed.evaluator import evaluator_of
from papergan.errors import NotFiniteError, Pruned
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.reference import References
from papergan.extractors.fixed_networks import give_fixed_networks
from papergan.game.game import Game
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.inference.model_folder import StoredModel
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines.experiment.nodes.discriminator_metrics import measure_discriminator
from papergan.pipelines.experiment.nodes.divergence import divergence_of, no_weights
from papergan.pipelines.experiment.nodes.export import generate_samples, sample_caption
from papergan.pipelines.experiment.restore import initial_game, spec_facts, state_of, under_truncation
from papergan.reporting.image_grid import ImageGrid
from papergan.tracking import Tracker, provenance
from papergan.training.batches import Batches
from papergan.training.best_generators import Criterion, Snapshot
from papergan.training.callbacks import Callbacks
from papergan.training.history import History, Row
from papergan.training.leader import Leader
from papergan.training.process_group import current
from papergan.training.sample_history import SampleHistory
from papergan.training.signals import StopRequest, stoppable
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from papergan.validation import short_digest
from papergan.weights import Weights

logger = logging.getLogger(__name__)

Prune = Callable[[Row], str | None]


def never(row: Row) -> None:
    """Prune nothing: train to the end of the budget, whatever an evaluation gives."""


def train(
    experiment: Experiment,
    images: ImageSplits,
    initial_state: Weights,
    domain_classifier: Weights,
    reference: References,
    checkpoints: CheckpointFolder,
    tracker: Tracker,
    model_library: ModelLibrary,
    prune: Prune = never,
) -> tuple[History, Weights, Weights, Weights]:
    """Train the model to the end of its budget, from the newest checkpoint of this recipe if there is one.

    Returns the history; the best generators so far ("best_fid.*", ...); samples of fixed latents over time; and
    the game at the end ("networks.*", "average.*"). A recipe whose budget is used up returns at once.
    Where a loss, gradient or weight is not finite, training ends there: the game has no tensors then, and its metadata
    say "diverged"; likewise "pruned" where `prune`, called with each evaluation before the last, returns a reason.
    Raises Interrupted after a stop signal.
    """
    recipe = experiment.recipe
    game, process_group = initial_game(recipe, initial_state, images), current()
    store = checkpoints.open(recipe.fingerprint, recipe.training.keep_checkpoints)
    if not recipe.training.resume:
        with store.locked():
            store.clear()
    networks = give_fixed_networks(game, recipe.evaluation, domain_classifier)
    models = trained_models(recipe, model_library)
    if "teacher" in models:
        give_teacher(game, models["teacher"])
    digests = digests_of(models)
    store.check_images(_digest_of_what_is_read(images, networks | digests))
    batches = Batches(
        images.train.images, images.train.labels, batch_size=recipe.training.batch_size,
        batch_sizes=recipe.training.batch_sizes, seed=recipe.seed, device=game.device,
        flip=recipe.training.horizontal_flip, drop_last=recipe.training.drop_last,
        shard=None if process_group is None else process_group.rows,
        inputs=None if images.inputs is None else images.inputs.train.images,
        paired=images.inputs is None or images.inputs.train.paired,
    )  # fmt: skip
    evaluator = evaluator_of(recipe, images, domain_classifier, reference)
    settings = train_settings_of(
        recipe, batches.per_epoch, game.batches_per_step, prefix=evaluator.extractors[0].metric_prefix,
        rules=rules_of(recipe),
    )  # fmt: skip
    logger.info(
        "Training %s on %d images of %s for %d steps on %s (recipe %s)",
        experiment.name, len(images.train), images.train.name, settings.steps, game.device, recipe.fingerprint,
    )  # fmt: skip
    with stoppable("training") as stop:
        callbacks = Callbacks(
            report=tracker.report,
            evaluate=partial(_evaluate, experiment, images, evaluator, stop, tracker),
            evaluated=partial(_report_evaluation, tracker, partial(_prune, prune, settings.steps)),
            resumed=partial(_replay, tracker, partial(_prune, prune, settings.steps)),
            stop=stop,
            leader=Leader(process_group, _follower_message(recipe, images)),
        )
        training = Trainer(game, batches, settings, store, callbacks)
        tensors, why = dict[str, Tensor](), dict[str, str]()
        try:
            training.run()
            tensors = state_of(training.game)
        except NotFiniteError as error:
            logger.error("%s diverged at %s", experiment.name, error)
            why = {"diverged": f"diverged at {error}"}
        except Pruned as ended:
            logger.info("%s: %s", experiment.name, ended)
            why = {"pruned": str(ended)}
    facts = {"kind": "trained game", **_facts(recipe, images, training), "models": json.dumps(digests)}
    trained = Weights(tensors, facts | why)
    frames = frames_of(training.sample_history)
    if not frames.tensors and (reason := divergence_of(trained)) is not None:
        frames = no_weights(experiment, reason)
    return training.history, snapshots_of(training.best.snapshots, trained), frames, trained


def trained_models(recipe: Recipe, library: ModelLibrary) -> dict[str, StoredModel]:
    """The trained models that the recipe's training reads, by their part in it: teacher, start."""
    start = None if recipe.fine_tuning is None else recipe.fine_tuning.model
    named = {"teacher": recipe.teacher, "start": start}
    return {part: library.model(name) for part, name in named.items() if name is not None}


def digests_of(models: Mapping[str, StoredModel]) -> dict[str, str]:
    """The digests of the weights of models, by the same names."""
    return {part: str(model.config["digest"]) for part, model in models.items()}


def _digest_of_what_is_read(images: ImageSplits, networks: Mapping[str, str]) -> str:
    """The digest of the training images, and of the trained networks that are read with them, if any."""
    if not networks:
        return images.training_digest
    return short_digest({"images": images.training_digest, "networks": dict(networks)})


def rules_of(recipe: Recipe) -> str:
    """All settings that determine an evaluation during training, as one line of JSON; some only if not the default."""
    settings = recipe.evaluation.model_dump(include={"inception", "domain", "domain_classifier", "torchvision"})
    settings |= recipe.evaluation.model_dump(include={"discriminator_samples"}, exclude_defaults=True)
    settings |= recipe.training.model_dump(include={"batch_norm_batches"}, exclude_defaults=True)
    return json.dumps([asdict(recipe.evaluation.rules_while_training(recipe.seed)), settings], sort_keys=True)


def train_settings_of(
    recipe: Recipe, batches_per_epoch: int, batches_per_step: int, *, prefix: str, rules: str = ""
) -> TrainSettings:
    """The settings of the trainer. prefix: of the metrics that decide which epoch is best."""
    return TrainSettings(
        steps=recipe.training.total_steps(batches_per_epoch=batches_per_epoch, batches_per_step=batches_per_step),
        seed=recipe.seed,
        precision=recipe.training.precision,
        deterministic=recipe.training.deterministic,
        cuda_graphs=recipe.training.cuda_graphs and recipe.training.devices == 1,
        report_every=recipe.training.report_every_steps,
        report_as=recipe.training.report_as,
        evaluate_every=max(1, round(recipe.evaluation.every_epochs * batches_per_epoch / batches_per_step)),
        save_minutes=recipe.training.save_minutes,
        batch_norm_batches=recipe.training.batch_norm_batches,
        averaged=recipe.evaluation.weights == "ema",
        resume=recipe.training.resume,
        rules=rules,
        keep={
            "best_fid": Criterion(f"{prefix}fid", lower_is_better=True),
            "best_is": Criterion(f"{prefix}is_mean", lower_is_better=False),
            "best_likelihood": Criterion("parzen_ll_validation", lower_is_better=False),
        },
    )


def _evaluate(
    experiment: Experiment, images: ImageSplits, evaluator: Evaluator, stop: StopRequest, tracker: Tracker,
    sampler: Sampler, game: Game, progress: Progress,
) -> Row:  # fmt: skip
    """An evaluation during training: scores of the exported generator, and metrics of the discriminator."""
    recipe = experiment.recipe
    caption = sample_caption(experiment.name, images.train.name, progress)
    tracker.picture(ImageGrid(generate_samples(sampler, recipe.seed, progress), caption), progress.step)
    rules, what = recipe.evaluation.rules_while_training(recipe.seed), f"samples of epoch {progress.epoch:g}"
    sampler = under_truncation(recipe, sampler, rules.truncation, progress)
    scores = evaluator.score_sampler(sampler, rules, progress=progress, should_stop=stop.requested, what=what)
    return scores | measure_discriminator(
        game, images, count=recipe.evaluation.discriminator_samples, seed=recipe.seed,
        batch_size=recipe.evaluation.batch_size, training_batch_size=recipe.training.sizes.at(progress.images),
        progress=progress, should_stop=stop.requested,
    )  # fmt: skip


def snapshots_of(snapshots: Mapping[str, Snapshot], trained: Weights) -> Weights:
    """The best generators in one file: tensors and facts by criterion, "best_fid.", ..., and of the run."""
    about, tensors = trained.metadata, dict[str, Tensor]()
    metadata = {"kind": "best generators"} | {fact: about[fact] for fact in ("recipe", "step", "data_digest")}
    for name, kept in snapshots.items():
        tensors |= {f"{name}.{key}": tensor.contiguous() for key, tensor in kept.weights.items()}
        metadata |= {f"{name}.{fact}": str(getattr(kept, fact)) for fact in ("step", "epoch", "value")}
    return Weights(tensors, metadata)


def frames_of(sample_history: SampleHistory) -> Weights:
    """Samples of fixed latents over time: one uint8 [64, C, S, S] per frame; its epoch, and any level, as metadata."""
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for frame in sample_history.frames:
        name = f"step-{frame.step:09d}"
        tensors[name], metadata[name] = frame.images, str(frame.epoch)
        metadata |= {f"{name}.{what}": str(value) for what, value in frame.at.items()}
    return Weights(tensors, metadata)


def _follower_message(recipe: Recipe, images: ImageSplits) -> dict[str, Any]:
    """The message from which followers build the same game in training on several devices."""
    spec = images.train.spec
    return {
        "recipe": recipe.model_dump_json(), "spec": [spec.channels, spec.size, spec.num_classes, None, spec.frames],
        "images": images.train.images, "labels": images.train.labels,
    }  # fmt: skip


def _facts(recipe: Recipe, images: ImageSplits, training: Trainer) -> dict[str, str]:
    progress = training.progress
    facts = {
        "recipe": recipe.fingerprint, "system": recipe.system, "dataset": images.train.name,
        "data_digest": images.training_digest, **spec_facts(images.spec), "step": progress.step,
        "images": progress.images, "epoch": progress.epoch, "seconds": round(training.seconds, 3),
        "device": training.game.device,
    }  # fmt: skip
    return {name: str(fact) for name, fact in facts.items()} | provenance.to_metadata(training.game.device)


def _prune(prune: Prune, steps: int, row: Row) -> None:
    if row["step"] < steps and (reason := prune(row)) is not None:
        raise Pruned(reason)


def _report_evaluation(tracker: Tracker, check: Callable[[Row], None], row: Row) -> None:
    tracker.report(row)
    shown = [name for name in row if name.endswith(("fid", "is_mean", "precision", "recall", "midpoint", "validation"))]
    logger.info("Epoch %g: %s", row["epoch"], ", ".join(f"{name} {row[name]:.4g}" for name in shown))
    check(row)


def _replay(tracker: Tracker, check: Callable[[Row], None], history: History) -> None:
    tracker.replay([*history.losses, *history.metrics])
    for row in history.metrics:
        check(row)
