"""What identifies an MLflow run: its name, tags, parameters and description."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from papergan.config.papers import find_paper

if TYPE_CHECKING:
    from papergan.config.checked import Experiment, Sweep, TrialPlan

DESCRIPTION = "mlflow.note.content"  # the tag that MLflow shows as the description


@dataclass(frozen=True)
class RunAbout:
    """What identifies the run of an experiment or study. resume_tag: of the run that goes on, None = always a new one.

    text: one line about it. command: that makes such a run.
    """

    name: str
    paper_key: str
    tags: dict[str, str]
    parameters: Mapping[str, object]
    resume_tag: str | None
    text: str
    command: str

    @classmethod
    def of(cls, experiment: Experiment | Sweep | TrialPlan[Any, Any], run: Mapping[str, Any]) -> RunAbout:
        """Of an experiment or study in this run of Kedro: its `pipelines`, `environment`, and `given` with --params."""
        from papergan.config.checked import Experiment
        from papergan.tracking.run_content import command, run_name

        recipe, name = experiment.recipe, experiment.name
        typed = command(run["pipelines"], run["environment"], run["given"])
        tags = _tags(recipe.paper, command(run["pipelines"], run["environment"]), typed)
        if isinstance(experiment, Experiment):
            tags |= {"dataset": experiment.recipe.dataset_name, "recipe": experiment.recipe.fingerprint}
            title = run_name(name, experiment.recipe.seed, experiment.recipe.training, run["given"].get(name) or {})
            return cls(title, recipe.paper, tags, experiment.recipe.parameters, None, recipe.description, typed)
        tags["study"] = experiment.digest  # an interrupted study goes on in its run
        title = f"{name}, {experiment.planned} trials"  # which have runs of their own, and parameters
        return cls(title, recipe.paper, tags, {}, "study", recipe.description, typed)

    def description(self, experiment_id: str, run_id: str) -> str:
        """The Markdown of the description; see `run_description`."""
        from papergan.tracking.run_description import run_description

        return run_description(experiment_id, run_id, find_paper(self.paper_key), self.text, self.command)


def _tags(paper_key: str, source: str, typed: str) -> dict[str, str]:
    """Tags of any run: paper, commit, command; those of MLflow are its columns "User" and "Source"."""
    from papergan.tracking import provenance

    commit, paper = provenance.commit(), find_paper(paper_key)
    tags = {"paper": paper.short_name, "paper_key": paper_key, "command": typed}
    tags |= {"paper_link": paper.link} if paper.link is not None else {}
    tags |= {"commit": commit.name, "dirty": str(commit.dirty).lower(), "mlflow.source.git.commit": commit.name}
    return tags | {"mlflow.source.name": source, "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account of this number, in a container
        return "unknown"
