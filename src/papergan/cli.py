"""`kedro run` for this project: Kedro's own command, with errors a user can act on shown as one line."""

from __future__ import annotations

import signal
import warnings
from types import FrameType
from typing import Any, NoReturn

import click
from kedro import KedroDeprecationWarning
from kedro.framework.cli.project import run as kedro_run

from papergan import experiments
from papergan.errors import Interrupted, PaperganError, RecipeError, did_you_mean


class OneLineCommand(click.Command):
    """Shows a PaperganError as one line and exits with 1; bugs keep their traceback.

    Ctrl-C ends with 130 and SIGTERM with 143, whichever node is at work, so that a scheduler sees what happened.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        signal.signal(signal.SIGTERM, _interrupt)
        warnings.filterwarnings("ignore", "Option '--pipeline' is deprecated", KedroDeprecationWarning)
        try:
            _refuse_unknown_pipelines(ctx.params)
            return super().invoke(ctx)
        except Exception as error:
            known = _known_cause(error)
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


cli.add_command(
    OneLineCommand("run", callback=kedro_run.callback, params=kedro_run.params, help=kedro_run.help, epilog="")
)


def _refuse_unknown_pipelines(options: dict[str, Any]) -> None:
    known = [*experiments.discover(), *experiments.TOOLS, "__default__"]
    wanted = [options["pipeline"]] if options["pipeline"] else list(options["pipelines"] or [])
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise RecipeError("; ".join(f"unknown pipeline {name!r}{did_you_mean(name, known)}" for name in unknown))


def _known_cause(error: BaseException | None) -> PaperganError | None:
    """The error for the user, also where Kedro wrapped it into one of its own."""
    while error is not None and not isinstance(error, PaperganError):
        error = error.__cause__
    return error


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number, f"stopped by signal {number}")


def _exit(ctx: click.Context, stop: Interrupted) -> NoReturn:
    click.secho(f"papergan: {stop.message}", fg="yellow", err=True)
    ctx.exit(stop.code if isinstance(stop.code, int) else 1)
