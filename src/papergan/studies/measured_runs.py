"""Results of experiments and tools as the runs that stand beside published numbers."""

from __future__ import annotations

from papergan.config.dirac import DiracResult
from papergan.config.mode_stress import ModeResult
from papergan.evaluation.scorecard import ScoreCard
from papergan.metrics.registry import METRICS
from papergan.reporting.reproductions import MeasuredRun


def run_of_card(card: ScoreCard) -> MeasuredRun:
    """The final scores of a training; none where it ended early."""
    errors = {
        name: card.final[metric.deviation]
        for name, metric in METRICS.items()
        if metric.deviation in card.final and name in card.final
    }
    values = {} if card.ended_early else card.final
    return MeasuredRun(card.seed, values, errors, card.training_seconds / 60, made_by(card))


def made_by(card: ScoreCard) -> str:
    """Hardware, versions and commit of a run, as a note."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))
    dirty = " with uncommitted changes" if card.dirty else ""
    return f"{card.hardware}; {versions}; commit {card.commit[:12]}{dirty}"


def run_of_dirac(result: DiracResult) -> MeasuredRun:
    """Eigenvalues at the equilibrium by part, the spectral radius of a step, and the distance at the end."""
    values = {"distance": result.distance}
    if result.eigenvalues is not None:
        low, high = result.eigenvalues
        values |= {"real_part": high.real, "lower_real_part": low.real, "imaginary_part": high.imaginary}
    if result.step_radius is not None:
        values["step_radius"] = result.step_radius
    return MeasuredRun(0, values, {}, None, "")


def run_of_points(seed: int, result: ModeResult) -> MeasuredRun:
    """Modes, the share of high quality and the divergence after the last step; none where it diverged."""
    last = {} if result.diverged else result.over_time[-1]
    minutes = result.seconds_per_step * result.over_time[-1]["step"] / 60
    made = ", ".join(f"{name} {value}" for name, value in result.provenance.items())
    return MeasuredRun(seed, last, {}, minutes, made)
