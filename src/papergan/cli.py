"""`kedro run` for this project: Kedro's own command, with user errors shown as one line."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterable
from functools import partial
from inspect import isabstract
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

import click
from kedro import KedroDeprecationWarning
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner, ParallelRunner, ThreadRunner
from kedro.utils import load_obj

from papergan.config import registry
from papergan.distributed import is_distributed
from papergan.errors import Interrupted, PaperganError, RecipeError, did_you_mean, known_cause
from papergan.hooks.config_loader import CONF_SOURCE, folder_of
from papergan.maintenance.command import clean
from papergan.maintenance.scan import VERSION
from papergan.messages import quoted, sanitise
from papergan.validation import flattened, one_line_error

DRY_RUNNER = "papergan.runner.DryRunner"
RUNNER = "papergan.runner.ExperimentRunner"  # by name: importing it loads torch, not needed to reject a misspelt name
PARTS = {
    **{name: name for name in ("tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs")},
    "namespaces": "node_namespaces",
}  # options of the command, and their names in Pipeline.filter


class OneLineCommand(click.Command):
    """Shows a PaperganError as one line and exits with 1; bugs keep their traceback.

    Ctrl-C exits with 130 and SIGTERM with 143, whichever node is running, so that a scheduler sees what happened.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options as click does; errors from Kedro's option parsers are shown as one line too."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(sanitise(error.format_message()), error.ctx) from error
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # given arbitrary input, a parser may raise anything
            why = one_line_error(getattr(error, "message", error))
            if not isinstance(error, click.ClickException):
                why += (
                    "; --params takes key=value,key=value, each value as YAML has it, and a file for --config has its "
                    "options as text below `run:`"
                )
            click.secho(f"papergan: the options cannot be read: {why}", fg="red", err=True)
            ctx.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; if several processes were started, only rank 0 runs it."""
        if is_distributed():
            from papergan.distributed.follower import run_distributed  # here, because it needs torch

            return run_distributed(partial(self._run, ctx))
        return self._run(ctx)

    def _run(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        warnings.filterwarnings("ignore", "Option '--pipeline' is deprecated", KedroDeprecationWarning)
        try:
            if source := ctx.params["conf_source"]:
                ctx.meta[CONF_SOURCE] = source  # as typed, for commands that are shown
                source = ctx.params["conf_source"] = folder_of(source, "base")
            registry.use(Path(source) if source else None, ctx.params["env"])
            _refuse_unknown_pipelines(ctx.params)
            _refuse_parts_of_no_recipe(ctx.params)
            _choose_pipelines(ctx.params)
            _refuse_unknown_parts(ctx.params)
            ctx.params["runner"] = _runner(ctx.params)
            return super().invoke(ctx)
        except Exception as error:
            known = _cause(error)
            if known is None:
                raise
            click.secho(f"papergan: {known}", fg="red", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            _exit(ctx, Interrupted(signal.SIGINT, "stopped by Ctrl-C"))
        except Interrupted as stop:
            _exit(ctx, stop)


@click.group(name="papergan")
def cli() -> None:
    """Commands of this project."""


DRY = click.Option(["--dry-run"], is_flag=True, help="Check everything and show what the run will cost; run nothing.")
cli.add_command(
    OneLineCommand("run", callback=kedro_run.callback, params=[*kedro_run.params, DRY], help=kedro_run.help, epilog="")
)
cli.add_command(clean)


def _runner(options: dict[str, Any]) -> str:
    """The runner's name. Removes the option `dry_run`, which Kedro's command does not know."""
    if not options.pop("dry_run"):
        return str(options["runner"] or RUNNER)
    if options["runner"]:
        raise RecipeError("--dry-run runs nothing; leave --runner out")
    return DRY_RUNNER


def _refuse_unknown_pipelines(options: dict[str, Any]) -> None:
    known = [*registry.discover(), *registry.studies(), *registry.TOOLS, "__default__"]
    wanted = [options["pipeline"]] if options["pipeline"] else list(options["pipelines"] or [])
    unknown = [name for name in wanted if name not in known and name not in pipelines]  # a user's own: slow to list
    if unknown:
        raise RecipeError(
            "; ".join(f"unknown pipeline {quoted(name)}{_hint(name, known, options['env'])}" for name in unknown)
        )


def _refuse_parts_of_no_recipe(options: dict[str, Any]) -> None:
    """Raise RecipeError for --params such as training.epochs=3, which lack the name of an experiment."""
    known = {*registry.discover(), *registry.studies(), *registry.TOOL_PARAMETERS}
    rest = {name: value for name, value in (options["params"] or {}).items() if name not in known}
    given = {name: value for name, value in rest.items() if name in registry.parts_of_a_recipe()} if rest else {}
    if not given:
        return
    names = [options["pipeline"]] if options["pipeline"] else list(options["pipelines"] or [])
    experiment = next((name for name in names if name in registry.discover()), "NAME")
    wanted = ",".join(f"{experiment}.{place}={value}" for place, value in flattened("", given))
    raise RecipeError(f"--params: parts of a recipe need the name of its experiment: --params {sanitise(wanted)}")


def _hint(name: str, known: Iterable[str], environment: str | None) -> str:
    """Close matches, or the Kedro environment that has a pipeline of this name, if it is not the current one."""
    others = [one for one in registry.environments_with(name) if one != (environment or "local")]
    if others:
        return f": it is in conf/{others[0]}; run it with --env {others[0]}"
    return did_you_mean(name, known, registry.LISTED)


def _choose_pipelines(options: dict[str, Any]) -> None:
    """If no pipeline is named, choose those of the named nodes and datasets: Kedro-Viz suggests such commands.

    Datasets are named "experiment.dataset", nodes "group.experiment.node", or "study.node".
    """
    names = [name for option in PARTS if option != "tags" for name in options[option] or ()]
    if not options["pipeline"] and not options["pipelines"]:
        owners = dict.fromkeys(next((part for part in name.split(".") if part in pipelines), "") for name in names)
        options["pipelines"] = [owner for owner in owners if owner] or options["pipelines"]


def _refuse_unknown_parts(options: dict[str, Any]) -> None:
    """Raise RecipeError for an unknown runner, node, tag, dataset or version; Kedro would print a traceback."""
    if options["runner"]:
        _refuse_unknown_runner(options["runner"])
    for dataset, version in (options["load_versions"] or {}).items():
        if not VERSION.fullmatch(version):
            raise RecipeError(
                f"--load-versions: {quoted(dataset)} cannot have a version {quoted(version)}: versions are folders "
                "named by time, for example 2026-01-31T12.00.00.000Z"
            )
    wanted = {PARTS[option]: options[option] for option in PARTS if options[option]}
    if not wanted:
        return
    names = [options["pipeline"]] if options["pipeline"] else options["pipelines"] or ["__default__"]
    pipeline = sum((pipelines[name] for name in names), Pipeline([]))
    try:
        pipeline.filter(**wanted)
    except ValueError as error:
        raise RecipeError(f"{one_line_error(error).rstrip('.')}{_closest_nodes(wanted, pipeline)}") from error


def _closest_nodes(wanted: dict[str, Any], pipeline: Pipeline) -> str:
    """Close matches for the first named node that the pipeline does not have."""
    given = [name for part in ("node_names", "from_nodes", "to_nodes") for name in wanted.get(part, ())]
    known = [node.name for node in pipeline.nodes]
    return next((did_you_mean(name, known) for name in given if name not in known), "")


def _refuse_unknown_runner(name: str) -> None:
    """Raise RecipeError for a name that is not a runner, and for runners of several nodes at once."""
    try:
        runner = load_obj(name, "kedro.runner")
    except Exception as error:  # an import may raise anything
        raise RecipeError(f"unknown runner {quoted(name)}: {one_line_error(error)}") from error
    if not isinstance(runner, type) or not issubclass(runner, AbstractRunner) or isabstract(runner):
        raise RecipeError(f"--runner: {quoted(name)} is not a runner; leave --runner out")
    if issubclass(runner, ParallelRunner | ThreadRunner):
        raise RecipeError(
            f"--runner: {quoted(name)} cannot run this project, whose nodes share recipes, torch's settings and what "
            "is tracked, and run one after another; leave --runner out, and for several devices see training.devices"
        )


def _cause(error: BaseException) -> PaperganError | None:
    """The user error behind an exception; None for a bug."""
    if isinstance(error, DatasetError) and error.__cause__ is None:  # Kedro's own error, about the catalog or versions
        return RecipeError(one_line_error(error))
    return known_cause(error)


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The excepthook: shows a user error in Kedro's other commands as one line too."""
    known = _cause(error)
    if known is None:
        _default_excepthook(kind, error, trace)
    else:
        click.secho(f"papergan: {known}", fg="red", err=True)


_default_excepthook, sys.excepthook = sys.excepthook, _show_error


def _interrupt(number: int, frame: FrameType | None) -> None:
    if is_distributed():
        from papergan.training.process_group import is_broken

        if is_broken():  # torchrun sends SIGTERM to the survivors of a broken group; this process is about to say why
            return
    raise Interrupted(number, f"stopped by signal {number}")


def _exit(ctx: click.Context, stop: Interrupted) -> NoReturn:
    click.secho(f"papergan: {stop.message}", fg="yellow", err=True)
    ctx.exit(stop.code if isinstance(stop.code, int) else 1)
