"""The cost of a run, measured beforehand: shown by `kedro run --dry-run`, and in one line before a long run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from papergan import systems
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.config.registry import in_demo
from papergan.data.images import ImageSpec
from papergan.data.library import ImageLibrary
from papergan.data.own_declaration import is_path
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import EvaluationError
from papergan.extractors.build import weight_files
from papergan.extractors.cost import seconds_per_image
from papergan.game.game import Game
from papergan.game.sampler import measure_sampling_seconds
from papergan.hooks.experiment_checks import image_spec
from papergan.objectives.fixed_features import with_stand_ins
from papergan.tracking.run_content import command, text_of
from papergan.training.batch_plan import batches_per_epoch
from papergan.training.checkpoint import checkpoint_bytes
from papergan.training.cost import StepCost, duration, measure_step
from papergan.training.memory import memory_errors
from papergan.training.numerics import choose_device
from papergan.validation import flattened

logger = logging.getLogger(__name__)

LONG = 600.0  # seconds: a longer run is announced, with a command for a quick look
LOOK = 480.0  # seconds of training in that quick look
STEPS_OF_A_LOOK = 200
GIGA = 1024**3


@dataclass(frozen=True)
class RunPlan:
    """The plan of one experiment.

    images: of the training set; None if they are counted when they are read. steps, done: in total, and in the newest
    checkpoint. evaluation_seconds: per image, by all extractors; classifier_seconds: for training the data set's own
    classifier, which is done once per data set. environment, conf_source, given: of the command, what --env,
    --conf-source and, for this experiment, --params give.
    """

    name: str
    recipe: Recipe
    spec: ImageSpec
    game: Game
    images: int | None
    steps: int | None
    done: int
    cost: StepCost
    evaluation_seconds: float
    classifier_seconds: float
    environment: str | None = None
    conf_source: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """The device on which the cost was measured, in words."""
        kind = self.game.device.type
        return f"{kind}, {torch.get_num_threads()} threads" if kind == "cpu" else torch.cuda.get_device_name()

    @property
    def left(self) -> int:
        """Steps that are still to be taken; 0 where their number is not known."""
        return max(0, (self.steps or 0) - self.done)

    @property
    def training_seconds(self) -> float:
        """Seconds of the steps that are left; a step of fewer images takes proportionally less."""
        measured = self.game.batches_per_step * max(self.recipe.training.sizes.all)
        return self.shown(self.left) / measured * self.cost.seconds

    @property
    def evaluations(self) -> int:
        """The number of evaluations before the end."""
        return int(self.epochs_of(self.left) / self.recipe.evaluation.every_epochs)

    def epochs_of(self, steps: int) -> float:
        """Passes over the training images in this many further steps; 0 where their number is not known."""
        return self.shown(steps) / self.images if self.images else 0.0

    def shown(self, steps: int) -> int:
        """Images that the discriminator is shown in this many further steps."""
        sizes, count = self.recipe.training.sizes, self.game.batches_per_step
        return sizes.before((self.done + steps) * count) - sizes.before(self.done * count)

    def measuring_seconds(self, evaluations: int, samples: int, final: int) -> float:
        """Seconds of this many evaluations of `samples` images, and of the one at the end."""
        return (evaluations * samples + final) * self.evaluation_seconds

    @property
    def seconds(self) -> float:
        """The estimated seconds in total: training, evaluations, the data set's classifier."""
        rules = self.recipe.evaluation
        measuring = self.measuring_seconds(self.evaluations, rules.num_samples, rules.final_num_samples)
        return self.training_seconds + measuring + self.classifier_seconds


def plan_run(
    experiment: Experiment, library: ImageLibrary, checkpoints: CheckpointFolder, *, full: bool
) -> RunPlan | None:
    """Measure the experiment's cost on a throw-away copy of its game; nothing is written or downloaded.

    The cost is that of the last step: networks that grow have their full size, so the estimate is rather too long.

    full: with FLOPs and evaluation; otherwise evaluation is measured only where training alone is long, and None is
    returned where no step is left. Raises MemoryShortError where a step does not fit.
    """
    name, recipe = experiment
    training = recipe.training
    declared, count = library.kind_of_images(recipe.dataset, recipe.image_size, recipe.images)
    images, spec = recipe.training_images(count), image_spec(recipe, declared, library)
    built = systems.build(recipe.system, spec, recipe.overrides, seed=recipe.seed)
    game = with_stand_ins(built.to(choose_device(training.device)))
    steps = _steps(recipe, images, game)
    saved = checkpoints.open(recipe.fingerprint, training.keep_checkpoints).steps()
    done = max(saved, default=0) if training.resume else 0
    left = (steps or 1) - done
    if left <= 0 and not full:
        return None
    batch = spec.random_batch(max(training.sizes.all) // training.devices, game.device)
    enough = 0.0 if full else LONG / 5 / left
    with memory_errors(f"measuring a step of {name}", f"lower {name}.training.batch_size"):
        cost = measure_step(
            game, batch, precision=training.precision, deterministic=training.deterministic, enough=enough,
            count_flops=full, images=training.sizes.before((steps or 1) * game.batches_per_step),
        )  # fmt: skip
    evaluation = classifier = 0.0
    if full or left * cost.seconds > LONG / 5:
        features = seconds_per_image(recipe.evaluation, recipe.evaluation.domain_classifier.width, spec, game.device)
        evaluation = measure_sampling_seconds(game.sampler(), seed=0) + sum(features.values())
        epochs = recipe.evaluation.domain_classifier.epochs
        classifier = 3 * epochs * (count or 0) * features.get("domain", 0.0)
    return RunPlan(name, recipe, spec, game, images, steps, done, cost, evaluation, classifier)


def _steps(recipe: Recipe, images: int | None, game: Game) -> int | None:
    """The budget in steps; None where it is in epochs of images that have not been counted."""
    if images is None and recipe.training.epochs is not None:
        return None
    training = recipe.training
    batches = batches_per_epoch(images or 0, training.batch_size, drop_last=training.drop_last)
    return training.total_steps(batches_per_epoch=batches, batches_per_step=game.batches_per_step)


def announce(plan: RunPlan) -> None:
    """Log the duration of the run; where that is long, also a command for a shorter one."""
    if plan.steps is None:  # which depends on images that are not counted yet
        return
    after = f", after {plan.done} that are done" if plan.done else ""
    logger.info(
        "%s: %d steps%s: about %s on this machine (%s)",
        plan.name, plan.left, after, duration(plan.seconds), plan.device,
    )  # fmt: skip
    if plan.seconds > LONG and (look := shorter(plan)):
        logger.info("For a look %s", look)


def shorter(plan: RunPlan) -> str:
    """A command that trains for some minutes, and how long it takes; "" if there is none.

    The same recipe with a smaller budget; where that would be too few steps to see anything, the one of `--env demo`.
    None for a run that has begun: the command would go on with its checkpoints, and drop its evaluations.
    """
    if plan.done:
        return ""
    steps = min(plan.left, int(LOOK / plan.cost.seconds))
    if steps < STEPS_OF_A_LOOK:
        demo = f"of some minutes, smaller in everything: {command([plan.name], 'demo', plan.conf_source)}"
        return demo if in_demo(plan.name) else ""
    epochs, rules = plan.epochs_of(steps), plan.recipe.evaluation
    samples, final = min(1000, rules.num_samples), min(2000, rules.final_num_samples)
    changes: dict[str, object] = {"dataset": plan.recipe.dataset} if is_path(plan.recipe.dataset) else {}
    changes |= dict(flattened("", plan.given))
    changes |= {
        f"training.{key}": None for key in ("epochs", "images") if getattr(plan.recipe.training, key) is not None
    }
    changes |= {"training.steps": steps, "evaluation.num_samples": samples, "evaluation.final_num_samples": final}
    changes |= {"evaluation.parzen_samples": samples} if rules.parzen_while_training else {}
    changes |= {"evaluation.every_epochs": f"{max(epochs / 2, 1e-4):.2g}"} if epochs else {}
    text = ",".join(f"{plan.name}.{place}={text_of(value)}" for place, value in changes.items())
    seconds = steps * plan.cost.seconds + plan.measuring_seconds(2, samples, final) + plan.classifier_seconds
    start = command([plan.name], plan.environment, plan.conf_source)
    return f'of about {duration(seconds)}: {start} --params "{text}"'


def describe(plan: RunPlan) -> str:
    """The plan as lines for a terminal."""
    width = max(len(label) for label, _ in _facts(plan))
    return "\n".join([f"\n{plan.name}", *(f"  {label:<{width}}  {fact}" for label, fact in _facts(plan))])


def _facts(plan: RunPlan) -> Iterator[tuple[str, str]]:
    recipe, training, rules = plan.recipe, plan.recipe.training, plan.recipe.evaluation
    steps = "not known before the images are counted" if plan.steps is None else f"{plan.steps:,}"
    sizes = " to ".join(f"{size}" for size in sorted({min(training.sizes.all), max(training.sizes.all)}))
    yield "steps", f"{steps} of {sizes} images" + (f", {plan.done:,} are done" if plan.done else "")
    if plan.steps is not None:
        shown = training.sizes.before(plan.steps * plan.game.batches_per_step)
        epochs = shown / plan.images if plan.images else 0.0
        yield "images", f"{shown:,} shown to the discriminator, {epochs:,.1f} epochs"
    yield "data", f"{recipe.dataset_name}, {plan.images or 'not yet counted'} images, {_shape(plan.spec)}"
    yield "networks", ", ".join(f"{name} {_millions(module)}" for name, module in plan.game.networks.named_children())
    yield (
        "a step",
        (
            f"{plan.cost.seconds:.3g} s (median of {plan.cost.steps}; {plan.device}, {training.precision}), "
            f"{(plan.cost.flops or 0) / 1e9:,.1f} GFLOP"
        ),
    )
    yield "training", f"about {duration(plan.training_seconds)}" if plan.steps is not None else "not known"
    each = duration(rules.num_samples * plan.evaluation_seconds)
    final = duration(rules.final_num_samples * plan.evaluation_seconds)
    yield (
        "evaluation",
        (
            f"{plan.evaluations:,} times {rules.num_samples:,} samples, about {each} each, "
            f"and {rules.final_num_samples:,} at the end, about {final}"
        ),
    )
    if plan.classifier_seconds:
        yield "classifier", f"about {duration(plan.classifier_seconds)}, once per data set"
    yield "in all", f"about {duration(plan.seconds)}"
    features = rules.bytes_of(max(rules.num_samples, rules.final_num_samples))
    yield "memory", f"{plan.cost.peak_bytes / GIGA:.1f} GiB for training, {features / GIGA:.1f} GiB for features"
    disk = (training.keep_checkpoints + 2) * checkpoint_bytes(plan.game)
    yield "disk", f"{disk / GIGA:.2f} GiB for {training.keep_checkpoints} checkpoints and the results"
    yield "weights", _weights(plan)
    if look := shorter(plan):
        yield "a look", look


def _weights(plan: RunPlan) -> str:
    """Which published weights evaluation needs, and whether they are here. Nothing is downloaded."""
    try:
        files = weight_files(plan.recipe.evaluation.model_copy(update={"allow_download": False}))
    except EvaluationError as error:
        return str(error).replace("evaluation.", f"{plan.name}.evaluation.")
    return ", ".join(str(path) for path in files.values()) or "none needed"


def _shape(spec: ImageSpec) -> str:
    return f"{spec.channels}x{spec.size}x{spec.size}, {spec.num_classes or 'no'} classes"


def _millions(module: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"{count / 1e6:.2f} M" if count else "without parameters"
