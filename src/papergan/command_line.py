"""The command `papergan`: use trained generators. Training is `kedro run`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from papergan.errors import Interrupted, PaperganError
from papergan.inference.sampling import FORMATS


class OneLineErrors(click.Group):
    """A group whose commands show a PaperganError as one line and exit with 1; bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PaperganError as error:
            click.secho(f"papergan: {error}", fg="red", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.secho("papergan: stopped by Ctrl-C", fg="yellow", err=True)
            ctx.exit(128 + signal.SIGINT)
        except Interrupted as stop:
            click.secho(f"papergan: {stop.message}", fg="yellow", err=True)
            ctx.exit(int(stop.code or 1))


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="papergan")
def main() -> None:
    """Use a trained generator. MODEL is the folder of an experiment (data/06_models/NAME), a model folder, a file
    model.safetensors, models:/NAME@ALIAS, runs:/ID, or hf://ORG/NAME. Training: `kedro run --pipelines NAME`.
    """


model = click.argument("model")
device = click.option("--device", default=None, help="cpu, cuda, cuda:1; a GPU where there is one by default.")


@main.command()
@model
@click.option("-n", "--number", default=64, show_default=True, help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Sample i depends on the seed and i alone.")
@click.option("--class", "labels", multiple=True, help="A class by name or number; several are taken in turn.")
@click.option("--truncation", type=float, default=None, help="Threshold of the latents: lower is truer, less varied.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder for PNGs, else a file.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="png", show_default=True)
@click.option("--batch-size", default=256, show_default=True, type=click.IntRange(1, 100_000))
@device
def sample(
    model: str, number: int, seed: int, labels: tuple[str, ...], truncation: float | None, out: Path | None, kind: str,
    batch_size: int, device: str | None,
) -> None:  # fmt: skip
    """Sample images from MODEL: PNG files, one .npz (images uint8 [N, H, W, C]), or one picture of all."""
    from tqdm import tqdm

    from papergan.inference.locate import load
    from papergan.inference.sampling import Request, sample_to_disk
    from papergan.training.signals import StopRequest

    request = Request(number, seed, labels, truncation, kind)
    out = out or Path({"png": "samples", "npz": "samples.npz", "grid": "samples.png"}[kind])
    generator = load(model, device)
    with StopRequest().installed() as stop, tqdm(total=number, unit=" images", disable=None) as bar:
        done = sample_to_disk(
            generator, request, out, batch_size=batch_size, should_stop=lambda: stop() is not None, advance=bar.update
        )
    if done is None:
        signal_number = stop() or signal.SIGINT
        raise Interrupted(signal_number, f"stopped by signal {signal_number}; the same command goes on from there")
    click.echo(f"{number} samples of {model} in {done}")


@main.command()
@model
@click.option("--card", is_flag=True, help="Print the whole model card.")
def info(model: str, card: bool) -> None:
    """Print system, data, metrics and digest of MODEL."""
    from papergan.inference.locate import load

    generator = load(model, "cpu")
    click.echo(generator.stored.card if card and generator.stored.card else repr(generator))


if __name__ == "__main__":
    sys.exit(main())
