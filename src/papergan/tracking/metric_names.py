"""Names of MLflow metrics: a section, a slash, a name, as MLflow's interface groups charts."""

from __future__ import annotations

from collections.abc import Mapping

from papergan.metrics.registry import AUXILIARY_METRICS, DISCRIMINATOR_METRICS, prefix_and_metric

QUALITY = {
    "fid": "fid", "kid_mean": "kid", "is_mean": "is", "precision": "precision", "recall": "recall",
    "density": "density", "coverage": "coverage",
}  # fmt: skip
"""Metrics of the section `quality`, by their names in score cards."""
MAIN_EXTRACTORS = ("", "domain_")  # whose metrics are in `quality`
CONSTANTS = ("num_samples", "fid_floor", "fid_at_floor_count")  # constant for a run: in its protocol and its score card
PROGRESS = ("epoch", "images", "images_per_second")


def with_sections(row: Mapping[str, float]) -> dict[str, float]:
    """The row under MLflow's names, without `step` and without the values that are constant during a run.

    The section `training` is last: MLflow's comparison begins with the metric that was logged first.
    """
    named = [(metric_name(name), value) for name, value in row.items() if name != "step"]
    kept = [(name, value) for name, value in named if name is not None]
    return dict(sorted(kept, key=lambda entry: entry[0].startswith("training/")))


def metric_name(name: str) -> str | None:
    """The name with its section: "quality/domain_kid" for "domain_kid_mean", "loss/generator_r1" for "generator.r1".

    None for values that are constant during a run. Unknown names, and those with a section, are unchanged.
    """
    if "/" in name:
        return name
    if name in PROGRESS:
        return f"training/{name}"
    if name in DISCRIMINATOR_METRICS:
        return f"discriminator/{name.removeprefix('discriminator_')}"
    if "." in name:
        return _name_in_step(name)
    if any(_is_called(name, constant) for constant in CONSTANTS):
        return None
    found = prefix_and_metric(name)
    if found is not None and found[0] in MAIN_EXTRACTORS and found[1].name in QUALITY:
        return f"quality/{found[0]}{QUALITY[found[1].name]}"
    if found is not None or any(_is_called(name, auxiliary) for auxiliary in AUXILIARY_METRICS):
        return f"quality_details/{name}"
    return name


def _name_in_step(name: str) -> str:
    """The name of a value from a training step: a weighted term, a gradient norm, or of a controller or network."""
    player, _, term = name.partition(".")
    if player == "networks":
        return f"training/{term}"
    short = term if term.startswith(f"{player}_") else f"{player}_{term}"
    return f"training/{short}" if term in ("gradient_norm", "rate", "k", "measure") else f"loss/{short}"


def _is_called(name: str, metric: str) -> bool:
    return name == metric or name.endswith(f"_{metric}")
