"""The Dirac-GAN: every loss and regulariser on two scalars, compared with the closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Dirac
from papergan.config.dirac import Complex, DiracRecipe, DiracResult
from papergan.config.papers import citation
from papergan.datasets.page import Page
from papergan.pipelines.groups import named_node
from papergan.reporting.pages import text
from papergan.studies import dirac_figure
from papergan.studies.dirac import closed_form, run_variant
from papergan.studies.tables import study_page
from papergan.tracking import provenance


def run_dirac_gan(dirac: Dirac) -> tuple[DiracResult, ...]:
    """Train every variant and measure its eigenvalues."""
    return tuple(run_variant(name, dirac.recipe) for name in dirac.recipe.variants)


def tabulate(dirac: Dirac, results: Sequence[DiracResult]) -> Page:
    """The page: a row per variant, measured values next to the closed forms."""
    import pandas as pd

    recipe = dirac.recipe
    table = pd.DataFrame([_row(result, recipe) for result in results])
    notes = [
        "eigenvalues: of the Jacobian of the gradient vector field at the equilibrium (0, 0), measured by central "
        "differences of optimiser steps, beside the paper's formulas; none for penalties without a derivative there",
        "radius: the largest modulus of the eigenvalues of one training step (D, then G), below 1 where it converges; "
        "none where the step overflows",
        f"distance: the largest of the last tenth of {recipe.steps} steps of gradient descent at rate "
        f"{recipe.learning_rate:g} from {recipe.start}; converges: below one hundredth of the start's; diverged: theta "
        "or psi became infinite or NaN in this step, and training ended there",
        citation(recipe.paper),
        ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions().items())),
    ]
    return study_page([("Dirac-GAN", table)], [], f"dirac_gan: {recipe.description}", notes, table)


def _row(result: DiracResult, recipe: DiracRecipe) -> dict[str, Any]:
    variant = recipe.variants[result.variant]
    theory, published = closed_form(variant), variant.converges
    radius = None if theory is None else theory.step_radius(recipe.learning_rate, variant.discriminator_steps)
    return {
        "variant": result.variant,
        "eigenvalues": _pair(result.eigenvalues),
        "closed form": _pair(None if theory is None else theory.eigenvalues),
        "radius": "" if result.step_radius is None else f"{result.step_radius:.4f}",
        "closed-form radius": "" if radius is None else f"{radius:.4f}",
        "distance": text(result.distance) if result.diverged_at is None else f"diverged at step {result.diverged_at}",
        "converges": _yes_or_no(result.converged),
        "as the paper states": "" if published is None else _yes_or_no(published),
        "verdict": "" if published is None else ("holds" if published == result.converged else "does not hold"),
    }


def _yes_or_no(converges: bool) -> str:
    return "yes" if converges else "no"


def _pair(values: tuple[Complex, Complex] | None) -> str:
    """Two eigenvalues as text: "-0.5 ± 0.5i", or both where they are real and differ."""
    if values is None:
        return ""
    (low, minus), (high, plus) = values
    low, high = (round(part, 3) + 0.0 for part in (low, high))  # no -0.000
    if abs(minus) > 1e-3 or abs(plus) > 1e-3:
        return f"{low:.3f} ± {abs(plus):.3f}i"
    return f"{low:.3f}, {high:.3f}"


def draw_trajectories(dirac: Dirac, results: Sequence[DiracResult]) -> object:
    """A matplotlib Figure of the trajectories, and of the distances next to the closed forms."""
    title = "Dirac-GAN: (theta, psi) by step; distances, measured (blue) and of the closed form (red, dashed)"
    return dirac_figure.trajectories(results, dirac.recipe, title)


def create_pipeline() -> Pipeline:
    """The pipeline of the Dirac-GAN, which takes seconds; it trains nothing that would have to be kept."""
    nodes = [
        named_node(run_dirac_gan, "params:recipe", "results"),
        named_node(tabulate, ["params:recipe", "results"], "page"),
        named_node(draw_trajectories, ["params:recipe", "results"], "trajectories"),
    ]
    parameters = {"params:recipe": "params:dirac_gan"}
    return Pipeline(nodes, namespace="dirac_gan", parameters=parameters, tags=["dirac_gan"])
