"""The description of an MLflow run: what it is, with links to its pictures and tables, and its scores."""

from __future__ import annotations

from collections.abc import Mapping

from papergan.config.papers import Paper
from papergan.evaluation.scorecard import ScoreCard
from papergan.tracking.interface import run_page, table_page
from papergan.tracking.run_content import summary_metrics

LINKS = {
    "samples": "samples.png", "over time": "samples/over_time.png", "curves": "curves/curves.png",
    "comparison table": "comparison/comparison.html", "scores": "scores/scores.json",
}  # fmt: skip


def run_description(experiment_id: str, run_id: str, paper: Paper, text: str, command: str) -> str:
    """The Markdown of a run's description. text: one line about the experiment. command: that makes such a run.

    Links are relative to MLflow's interface, wherever it is served; those of files that a run does not have, because it
    has not come to its end, lead to its list of files.
    """
    links = [f"[{label}]({run_page(experiment_id, run_id, f'artifacts/{file}')})" for label, file in LINKS.items()]
    links += [
        f"[charts]({run_page(experiment_id, run_id, 'model-metrics')})",
        f"[all runs]({table_page(experiment_id)})",
    ]
    about = f"{paper.short_name}: {text}" if text else paper.short_name
    source = f"[{paper.title}]({paper.link})" if paper.link is not None else paper.title
    picture = f"![samples](get-artifact?path=samples.png&run_uuid={run_id})"
    return "\n\n".join([" · ".join(links), about, picture, source, f"```\n{command}\n```"])


def with_scores(description: str, card: ScoreCard) -> str:
    """The description with a table of the summary metrics behind it; how the run diverged, where it did."""
    if card.diverged is not None:
        return f"{description}\n\n**{card.diverged}**"
    return f"{description}\n\n{_table(summary_metrics(card))}"


def _table(metrics: Mapping[str, float]) -> str:
    rows = [f"| {name} | {value:.5g} |" for name, value in metrics.items() if name != "step"]
    return "\n".join(["| metric | value |", "|---|---|", *rows])
