"""The truncation sweep: fidelity and diversity over thresholds of the latents."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from papergan.config.checked import Experiment
from papergan.errors import RecipeError
from papergan.evaluation.compute_metrics import MetricValues
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References
from papergan.extractors.build import extractors_of, fastest
from papergan.game.sampler import Sampler
from papergan.image_range import to_pixels
from papergan.pipelines.experiment.nodes.divergence import no_figure, unless_diverged
from papergan.pipelines.experiment.nodes.export import sample_caption
from papergan.pipelines.experiment.restore import device_of, exported_sampler, progress_of, under_truncation
from papergan.reporting.image_grid import make_grid
from papergan.training.signals import stoppable
from papergan.weights import Weights

THRESHOLDS = (0.2, 0.5, 1.0, 1.5, 2.0, None)
PSIS = (0.2, 0.4, 0.6, 0.7, 0.85, None)  # of styles
MAX_SAMPLES = 2000
PER_ROW = 10
SHOWN_METRICS = ("precision", "recall", "density", "coverage")


@unless_diverged(no_figure)
def sweep_truncation(
    experiment: Experiment, domain_classifier: Weights, reference: References, generator: Weights
) -> object:
    """A figure of samples under growing thresholds, with precision, recall, density, coverage and FID of each.

    For a generator with styles they are factors psi, and every row has the same latents. BatchNorm's statistics are
    re-estimated under each, from about as many images as are scored.
    Returns a matplotlib Figure; where the prior cannot be truncated it shows one row.
    """
    recipe, progress = experiment.recipe, progress_of(generator)
    sampler = exported_sampler(recipe, generator)
    device = device_of(recipe)
    extractor = fastest(extractors_of(recipe.evaluation, device, domain_classifier))
    evaluator = Evaluator([extractor], reference, device=device, batch_size=recipe.evaluation.batch_size)
    rules = recipe.evaluation.rules_while_training(recipe.seed).within(
        min(MAX_SAMPLES, recipe.evaluation.num_samples), len(reference[extractor.name].real)
    )
    batches = min(recipe.training.batch_norm_batches, -(-rules.num_samples // recipe.training.batch_size))
    rows, scores = [], []
    with stoppable("the truncation sweep") as stop:
        for threshold in _thresholds(sampler):
            truncated = under_truncation(recipe, sampler, threshold, progress, batches=batches)
            shown = truncated.stream(PER_ROW, seed=rules.seed, progress=progress, truncation=threshold)
            rows.append(to_pixels(torch.cat(list(shown)), rules.quantisation).cpu())
            scores.append(evaluator.score_sampler(
                truncated, replace(rules, truncation=threshold), progress=progress,
                should_stop=stop.requested, what=f"samples truncated at {threshold}",
            ))  # fmt: skip
    caption = sample_caption(experiment.name, generator.metadata["dataset"], progress)
    return _figure(
        _thresholds(sampler), rows, scores, extractor.metric_prefix, f"{caption}; {_rule(rules, extractor.name)}",
        "psi, of styles" if sampler.generator_truncates else "threshold of the latents",
    )  # fmt: skip


def _thresholds(sampler: Sampler) -> tuple[float | None, ...]:
    try:
        for _ in sampler.stream(1, seed=0, truncation=1.0):
            return PSIS if sampler.generator_truncates else THRESHOLDS
    except RecipeError:
        pass
    return (None,)


def _rule(rules: EvaluationRules, extractor: str) -> str:
    return f"{rules.num_samples} samples per threshold, {extractor} features"


def _figure(
    thresholds: tuple[float | None, ...], rows: list[Tensor], scores: list[MetricValues], prefix: str, title: str,
    of: str,
) -> object:  # fmt: skip
    from matplotlib.figure import Figure

    names = ["none" if threshold is None else f"{threshold:g}" for threshold in thresholds]
    figure = Figure(figsize=(14, 6), layout="constrained")
    figure.suptitle(title if len(names) > 1 else f"{title}; its latents cannot be truncated", fontsize="medium")
    pictures, curves, distance = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    grid = make_grid(torch.cat(rows), PER_ROW, scale=2).permute(1, 2, 0).numpy()
    pictures.imshow(grid if grid.shape[2] == 3 else grid[:, :, 0], cmap="gray", aspect="equal")
    height = grid.shape[0] / len(rows)
    pictures.set_yticks([(row + 0.5) * height for row in range(len(rows))], names)
    pictures.set_xticks([])
    pictures.set_ylabel(of)
    for name in SHOWN_METRICS:
        curves.plot(names, [score[f"{prefix}{name}"] for score in scores], marker=".", label=name)
    distance.plot(names, [score[f"{prefix}fid"] for score in scores], marker=".", color="black", label=f"{prefix}fid")
    for axes in (curves, distance):
        axes.set_xlabel(of)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure
