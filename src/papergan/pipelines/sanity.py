"""The metric sanity pipeline: every metric on damaged real images, as a page of curves."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Sanity
from papergan.data.images import ImageSplits
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.errors import EvaluationError
from papergan.evaluation.metric_sanity import (
    CORRUPTIONS,
    EXPECTED_DIRECTIONS,
    Case,
    as_rows,
    is_monotone,
    max_images,
    sanity_cases,
    series,
    violations,
)  # fmt: skip
from papergan.metrics.registry import prefix_and_metric
from papergan.pipelines.experiment.nodes.references import classifier_of, evaluator_against
from papergan.pipelines.groups import named_node
from papergan.tracking import provenance
from papergan.training.numerics import choose_device
from papergan.training.signals import stoppable
from papergan.weights import Weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

EXPECTED, WRONG, OPEN = "tab:blue", "tab:red", "tab:gray"


def ingest_for_sanity(image_library: ImageLibrary, recipe: Sanity) -> ImageSplits:
    """The data set of the recipe. Raises EvaluationError where it has too few images for every case."""
    images = image_library.load(recipe.recipe.dataset)
    most = max_images(images.test)
    if recipe.recipe.num_samples > most:
        raise EvaluationError(
            f"metric_sanity.num_samples is {recipe.recipe.num_samples}, but a fifth of the classes of "
            f"{images.test.name} have {most} images; lower it"
        )
    return images


def score_corruptions(recipe: Sanity, images: ImageSplits, feature_cache: FeatureCache) -> tuple[Case, ...]:
    """Score every corruption at every strength by every metric."""
    settings = recipe.recipe
    device = choose_device(settings.device)
    classifier = (
        classifier_of(images, settings.domain_classifier, feature_cache, device) if settings.domain else Weights({})
    )
    rules = settings.rules_for(settings.num_samples)
    with stoppable("the sanity page") as stop:
        evaluator = evaluator_against(
            images.train, images.test, settings, device, classifier, feature_cache, floor_samples=settings.num_samples,
            stop=stop,
        )  # fmt: skip
        return sanity_cases(
            images, evaluator, rules, should_stop=stop.requested,
            on_case=lambda case: logger.info("%s %g done", case.corruption, case.strength),
        )  # fmt: skip


def draw_sanity(recipe: Sanity, cases: tuple[Case, ...]) -> Figure:
    """A matplotlib Figure of small multiples: a row per metric, a column per corruption.

    Blue: moves one way, as it must; red: must, but does not; grey: nothing is promised.
    """
    from matplotlib.figure import Figure

    names = [name for name in as_rows(cases)[0] if prefix_and_metric(name) is not None]
    broken = {(corruption, name) for corruption, name, _ in violations(cases)}
    height = 1.25 * len(names) + 1.2
    figure = Figure(figsize=(2.6 * len(CORRUPTIONS), height))
    legend = "blue must move one way and does, red must and does not, grey is free"
    figure.suptitle(f"{_title(recipe)}: {legend}", y=1 - 0.2 / height, va="top")
    grid = figure.subplots(len(names), len(CORRUPTIONS), squeeze=False)
    # set manually, since a constrained layout of a hundred panels takes longer than their numbers
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.5 / height, top=1 - 0.9 / height, wspace=0.25, hspace=0.45)
    for row, name in enumerate(names):
        known = prefix_and_metric(name)
        for column, corruption in enumerate(CORRUPTIONS):
            axes = grid[row][column]
            strengths, values = series(cases, corruption.name, name)
            bound = known is not None and (corruption.name, known[1].name) in EXPECTED_DIRECTIONS
            colour = WRONG if (corruption.name, name) in broken else EXPECTED if bound else OPEN
            places = [f"{strength:g}" for strength in strengths]
            axes.plot(places, values, marker=".", color=colour, linewidth=1.2)
            axes.tick_params(labelsize=6)
            axes.grid(alpha=0.25)
            if row == 0:
                axes.set_title(corruption.name, fontsize=8)
            if row == len(names) - 1:
                axes.set_xlabel(corruption.unit, fontsize=6)
            if column == 0:
                axes.set_ylabel(name, fontsize=6)
        low, high = zip(*(axes.get_ylim() for axes in grid[row]), strict=True)
        for axes in grid[row]:
            axes.set_ylim(min(low), max(high))
    return figure


def show_sanity(recipe: Sanity, cases: tuple[Case, ...]) -> tuple[object, Page]:
    """The figure; and the page with the figure, the verdict on every promise, and all cases."""
    import pandas as pd

    figure, buffer = draw_sanity(recipe, cases), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    table, verdicts = pd.DataFrame(as_rows(cases)), pd.DataFrame(_verdicts(cases))
    parts = [("What must hold", verdicts), ("Every case", table)]
    title = _title(recipe)
    broken = [f"{name} under {corruption}" for corruption, name, _ in violations(cases)]
    if broken:
        logger.warning("not monotone where they must be: %s", "; ".join(broken))
    held = f"{len(verdicts) - len(broken)} of {len(verdicts)} promises hold"
    console = "\n".join([title, held, *(f"  broken: {one}" for one in broken)])
    return figure, Page.of(parts, title, _notes(recipe), table, console=console, picture=buffer.getvalue())


def _verdicts(cases: tuple[Case, ...]) -> list[dict[str, Any]]:
    rows = []
    for corruption, name in ((c, n) for c, m in EXPECTED_DIRECTIONS for n in as_rows(cases)[0] if _is(n, m)):
        direction = EXPECTED_DIRECTIONS[corruption, prefix_and_metric(name)[1].name]  # type: ignore[index]
        values = series(cases, corruption, name)[1]
        holds = "holds" if is_monotone(values, direction) else "BROKEN"
        steps = ", ".join(f"{value:.4g}" for value in values)
        rows.append({"damage": corruption, "metric": name, "must go": direction, "values": steps, "verdict": holds})
    return rows


def _is(name: str, metric: str) -> bool:
    known = prefix_and_metric(name)
    return known is not None and known[1].name == metric


def _title(recipe: Sanity) -> str:
    return f"Metrics under damage: {recipe.recipe.num_samples} test images of {recipe.recipe.dataset} per case"


def _notes(recipe: Sanity) -> list[str]:
    count = recipe.recipe.num_samples
    rules = recipe.recipe.rules_for(count).within(count, count)
    return [
        f"protocol: {rules.num_samples} images against all training images, seed {rules.seed}, "
        f"{rules.kid_subsets} kernel subsets of {rules.kid_subset_size}, {rules.inception_splits} splits",
        provenance.note(provenance.commit(), provenance.versions()),
    ]


def create_pipeline() -> Pipeline:
    """The pipeline of the page that shows each metric under each damage, on real images."""
    recipe, images, cases = "params:metric_sanity", "metric_sanity.images", "metric_sanity.cases"
    nodes = [
        named_node(ingest_for_sanity, ["image_library", recipe], images),
        named_node(score_corruptions, [recipe, images, "feature_cache"], cases),
        named_node(show_sanity, [recipe, cases], ["metric_sanity.plot", "metric_sanity.page"]),
    ]
    return Pipeline(nodes, tags=["sanity"])
