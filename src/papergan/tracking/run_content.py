"""The content of an MLflow run: name, tags, parameters, description, summary metrics."""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from papergan.config.checked import Experiment, Sweep, TrialPlan
from papergan.config.papers import find_paper
from papergan.config.training import TrainingRecipe
from papergan.evaluation.scorecard import BEST_METRICS, ScoreCard
from papergan.metrics.registry import METRICS
from papergan.project import COMMAND
from papergan.tracking import provenance
from papergan.tracking.interface import run_page, table_page
from papergan.validation import flattened

DESCRIPTION = "mlflow.note.content"  # the tag that MLflow shows as the description
LINKS = {
    "samples": "samples.png", "over time": "samples/over_time.png", "curves": "curves/curves.png",
    "comparison table": "comparison/comparison.html", "scores": "scores/scores.json",
}  # fmt: skip
"""Files of a run that its description links to."""
MAX_CHANGES = 3  # in the name of a run
NAMED = (
    r"(overrides\..*|system)",
    r"(dataset|image_size|train_limit|subset_seed|validation)",
    r"training\.(batch_size|drop_last|horizontal_flip|precision|deterministic)",
    r"evaluation\.(reference|weights|truncation|quantisation|seed)",
)
"""Patterns of the settings that the name of a run has, in this order."""
SUMMARY = {
    "fid": "fid", "kid_mean": "kid", "is_mean": "is", "precision": "precision", "recall": "recall",
    "copy_rate": "copy_rate", "parzen_ll_historical": "likelihood",
}  # fmt: skip
"""Final metrics of the section `summary`, by their names in score cards."""


@dataclass(frozen=True)
class RunIdentity:
    """The identity of an experiment's or study's run. resume_tag: of the run to resume, None = always a new one.

    text: one line about it. command: that starts such a run.
    """

    name: str
    paper_key: str
    tags: dict[str, str]
    parameters: Mapping[str, object]
    resume_tag: str | None
    text: str
    command: str

    @classmethod
    def of(cls, experiment: Experiment | Sweep | TrialPlan[Any, Any], run: Mapping[str, Any]) -> RunIdentity:
        """The identity of a run.

        run: of Kedro, its `pipelines`, `environment`, `conf_source` if it was typed, and `given` with --params.
        """
        recipe, name, configuration = experiment.recipe, experiment.name, (run["environment"], run.get("conf_source"))
        typed = command(run["pipelines"], *configuration, run["given"])
        tags = _tags(recipe.paper, command(run["pipelines"], *configuration), typed)
        if isinstance(experiment, Experiment):
            tags |= {"dataset": experiment.recipe.dataset_name, "recipe": experiment.recipe.fingerprint}
            title = run_name(name, experiment.recipe.seed, experiment.recipe.training, run["given"].get(name) or {})
            return cls(title, recipe.paper, tags, experiment.recipe.parameters, None, recipe.description, typed)
        tags["study"] = experiment.digest  # an interrupted study resumes its run
        title = f"{name}, {experiment.planned} trials"  # which have their own runs and parameters
        return cls(title, recipe.paper, tags, {}, "study", recipe.description, typed)

    def description(self, experiment_id: str, run_id: str) -> str:
        """The Markdown of the description: what the run is, with links to its pictures and tables.

        Links are relative to MLflow's interface, wherever it is served; links to files that a run does not have,
        because it has not finished, lead to its list of files.
        """
        paper = find_paper(self.paper_key)
        links = [f"[{label}]({run_page(experiment_id, run_id, f'artifacts/{file}')})" for label, file in LINKS.items()]
        links += [
            f"[charts]({run_page(experiment_id, run_id, 'model-metrics')})",
            f"[all runs]({table_page(experiment_id)})",
        ]
        about = f"{paper.short_name}: {self.text}" if self.text else paper.short_name
        source = f"[{paper.title}]({paper.link})" if paper.link is not None else paper.title
        picture = f"![samples](get-artifact?path=samples.png&run_uuid={run_id})"
        return "\n\n".join([" · ".join(links), about, picture, source, f"```\n{self.command}\n```"])


def _tags(paper_key: str, source: str, typed: str) -> dict[str, str]:
    """Tags of any run: paper, commit, command; and MLflow's own, for its columns "User" and "Source"."""
    commit, paper = provenance.commit(), find_paper(paper_key)
    tags = {"paper": paper.short_name, "paper_key": paper_key, "command": typed}
    tags |= {"paper_link": paper.link} if paper.link is not None else {}
    tags |= {"commit": commit.name, "dirty": str(commit.dirty).lower(), "mlflow.source.git.commit": commit.name}
    return tags | {"mlflow.source.name": source, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account with this user id, in a container
        return "unknown"


def with_scores(description: str, card: ScoreCard) -> str:
    """The description followed by a table of the summary metrics, or by how the run diverged, if it did."""
    if card.diverged is not None:
        return f"{description}\n\n**{card.diverged}**"
    rows = [f"| {name} | {value:.5g} |" for name, value in summary_metrics(card).items() if name != "step"]
    return "\n".join([f"{description}\n", "| metric | value |", "|---|---|", *rows])


def protocol_parameters(card: ScoreCard) -> dict[str, object]:
    """The rules of the final scores by extractor, as MLflow parameters: "protocol.domain.extractor_digest"."""
    rules = {protocol.source: asdict(protocol) for protocol in card.protocols}
    return dict(flattened("protocol.", rules))


def summary_metrics(card: ScoreCard) -> dict[str, float]:
    """The final and best values that are comparable in MLflow's table, at the last step: "summary/domain_fid".

    All metrics of the first extractor, and the FID of others. `summary/training_minutes` excludes evaluation. All other
    numbers are in the score card, which is a file of the run.
    """
    row: dict[str, float] = {"step": card.steps}
    for place, protocol in enumerate(card.protocols):
        shown = [("", short, metric, card.final) for metric, short in SUMMARY.items() if place == 0 or metric == "fid"]
        if place == 0:
            shown += [("best_", which, BEST_METRICS[which], best.metrics) for which, best in card.best.items()]
        for kind, short, metric, found in shown:
            name = protocol.name_of(METRICS[metric])
            if name in found:
                row[f"summary/{kind}{name.removesuffix(metric)}{short}"] = found[name]
    return row | {"summary/images": card.images_seen, "summary/training_minutes": card.training_seconds / 60}


def run_name(experiment: str, seed: int, training: TrainingRecipe, given: Mapping[str, Any]) -> str:
    """The name of a run: "hybrid_cifar10 seed 1, r1=0.0, 20 steps".

    given: what --params gave for this experiment. The name has those settings that change weights or what is measured:
    no intervals, numbers of samples or devices; seed and budget are in it anyway.
    """
    changes = [(name, value) for name, value in flattened("", given) if _importance(name) is not None]
    changes.sort(key=lambda change: _importance(change[0]) or 0)
    shown = [f"{name.rpartition('.')[2]}={text_of(value):.24}" for name, value in changes[:MAX_CHANGES]]
    shown += [f"{len(changes) - MAX_CHANGES} more"] if len(changes) > MAX_CHANGES else []
    return ", ".join([f"{experiment} seed {seed}", *shown, _budget(training)])


def command(
    pipelines: list[str], environment: str | None, conf_source: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """The command that starts such a run. given: --params; None leaves them out."""
    parts = [f"{COMMAND} run", f"--pipelines {','.join(pipelines)}" if pipelines else ""]
    parts.append(f"--env {environment}" if environment is not None else "")
    parts.append(f"--conf-source {shlex.quote(conf_source)}" if conf_source is not None else "")
    pairs = ",".join(f"{name}={text_of(value)}" for name, value in flattened("", given or {}))
    return " ".join(filter(None, [*parts, f'--params "{pairs}"' if pairs else ""]))


def text_of(value: object) -> str:
    """A value in the syntax of --params: null, true, 0.1."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _budget(training: TrainingRecipe) -> str:
    """The budget for display: "1 000 epochs", "20 steps", "5 M images"."""
    unit = next(unit for unit in ("epochs", "steps", "images") if getattr(training, unit) is not None)
    amount = getattr(training, unit)
    shown = f"{amount / 1e6:g} M" if amount >= 1e6 else f"{amount:,g}".replace(",", " ")
    return f"{shown} {unit.removesuffix('s') if amount == 1 else unit}"


def _importance(name: str) -> int | None:
    """The place of a setting in the name of a run, by its pattern in NAMED; None for settings that no name has."""
    return next((place for place, pattern in enumerate(NAMED) if re.fullmatch(pattern, name)), None)
