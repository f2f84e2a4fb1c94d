"""`kedro clean`: shows what can be removed, and with --yes removes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from papergan.config import registry
from papergan.errors import RecipeError, did_you_mean, known_cause
from papergan.messages import quoted
from papergan.project import COMMAND, PROJECT

if TYPE_CHECKING:
    from papergan.config.tools import RetentionRecipe
    from papergan.maintenance.scan import Removal
    from papergan.tracking.configuration import MlflowConfiguration


@click.command("clean")
@click.option("--yes", is_flag=True, help="Remove it. Without this, it is only shown.")
@click.option("--verbose", "-v", is_flag=True, help="Name every file.")
@click.option("--versions", type=int, help="Of every output, so many of the newest versions stay.")
@click.option("--pictures", type=int, help="So many sample grids stay of every MLflow run, evenly from among them.")
@click.option(
    "--checkpoints",
    is_flag=True,
    help="The checkpoints of finished runs go too: results stay, but these runs can no longer be extended.",
)
@click.option("--experiment", metavar="NAME", help="Only what is this experiment's own; nothing shared, no MLflow.")
@click.pass_context
def clean(ctx: click.Context, /, yes: bool, verbose: bool, experiment: str | None, **options: Any) -> None:
    """Show what may be removed from data/ and mlruns/, and with --yes remove it.

    The newest versions of every output are kept, and so is what a score card, a pointer, an MLflow run or an unfinished
    run needs, and everything of an experiment that is being run. Defaults are in conf/base/parameters_tools.yml under
    "retention".
    """
    try:
        errors = _clean(yes, verbose, experiment, **options)
    except Exception as error:
        known = known_cause(error)
        if known is None:  # a bug keeps its traceback
            raise
        errors = [str(known)]
    for error_line in errors:
        click.secho(f"papergan: {error_line}", fg="red", err=True)
    ctx.exit(1 if errors else 0)


def _clean(
    yes: bool, verbose: bool, experiment: str | None, versions: int | None, pictures: int | None, checkpoints: bool
) -> Sequence[str]:
    """Show or remove what may be removed. Returns the errors, one line each."""
    known = {*registry.discover(), *registry.TOOLS}
    if experiment is not None and experiment not in known:
        raise RecipeError(f"--experiment: unknown experiment {quoted(experiment)}{did_you_mean(experiment, known)}")
    from papergan.maintenance import rules
    from papergan.maintenance.scan import busy, remove
    from papergan.settings import workspace

    given = {"versions": versions, "pictures": pictures, "checkpoints": "unfinished" if checkpoints else None}
    retention, tracking = _configured({name: value for name, value in given.items() if value is not None})
    place = Path(workspace())

    def plan() -> rules.Plan:
        return rules.plan(place, retention, busy(place / "data", tracking), experiment=experiment)

    found = plan()
    _show("Removing" if yes else "May be removed", found.removals, verbose)
    for note in found.notes:
        click.echo(f"  {note}")
    if not found.removals:
        return found.errors
    if not yes:
        click.echo(f"Nothing was removed; {COMMAND} clean with --yes does it.")
        return found.errors
    still = {*plan().removals}  # another process may have started since
    done, failed = remove(removal for removal in found.removals if removal in still)
    click.echo(f"Removed {len(done)} things: {_size(done)} of room made.")
    changed = [
        f"{one.pieces[0].path}: needed or changed since; left alone" for one in found.removals if one not in still
    ]
    return [*found.errors, *changed, *failed]


def _configured(given: dict[str, Any]) -> tuple[RetentionRecipe, MlflowConfiguration]:
    """The project's configuration, overridden by the options of the command line."""
    from kedro.framework.session import KedroSession

    from papergan.config.tools import RetentionRecipe
    from papergan.tracking.configuration import MlflowConfiguration

    with KedroSession.create(PROJECT) as session:
        context = session.load_context()
        written = context.config_loader["parameters"].get("retention") or {}
        if not isinstance(written, dict):
            raise RecipeError(f"retention: expected a mapping, got {quoted(written)}")
        return RetentionRecipe.parse("retention", {**written, **given}), MlflowConfiguration.of(context.mlflow)


def _show(title: str, removals: Sequence[Removal], verbose: bool) -> None:
    """Print the number and size of removals by reason and, if verbose, every path."""
    from papergan.settings import workspace

    if not removals:
        click.echo(f"Nothing to remove in {workspace()}.")
        return
    click.echo(f"{title}, in {workspace()}:")
    for reason in dict.fromkeys(removal.reason for removal in removals):
        some = [removal for removal in removals if removal.reason == reason]
        click.echo(f"{len(some):>6}  {_size(some):>9}  {reason}")
        for piece in (piece for removal in some if verbose for piece in removal.pieces):
            click.echo(f"{'':>19}{piece.path}")
    click.echo(f"{len(removals):>6}  {_size(removals):>9}  in all")


def _size(removals: Sequence[Removal]) -> str:
    size = float(sum(removal.bytes for removal in removals))
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
