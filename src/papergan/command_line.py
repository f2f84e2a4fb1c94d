"""The command `papergan`: use trained generators. Training is `kedro run`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal

import click

from papergan.atomic_files import path_from, reading_errors
from papergan.errors import Interrupted, PaperganError
from papergan.inference.sampling import FORMATS
from papergan.messages import on_one_line

Named = Literal["inception", "torchvision"]


class OneLineErrors(click.Group):
    """A command group that shows a PaperganError as one line and exits with 1; bugs keep their traceback."""

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


class Target(click.Path):
    """The output path given as an option, with `~` expanded, which not every shell does."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return path_from(value)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="papergan")
def main() -> None:
    """Use a trained generator. MODEL is the folder of an experiment (data/06_models/NAME), a model folder, a file
    model.safetensors, models:/NAME@ALIAS, runs:/ID, or hf://ORG/NAME. Training: `kedro run --pipelines NAME` in a
    checkout, `python -m papergan run --pipelines NAME` elsewhere.
    """


model = click.argument("model")
device = click.option("--device", default=None, help="cpu, cuda, cuda:1; a GPU where there is one by default.")


@main.command()
@model
@click.option("-n", "--number", default=64, show_default=True, help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Sample i depends on the seed and i alone.")
@click.option("--class", "--labels", "labels", multiple=True, help="A class by name or number; several in turn.")
@click.option("--truncation", type=float, default=None, help="Threshold of the latents: lower is truer, less varied.")
@click.option("--out", type=Target(), default=None, help="Folder for PNGs, else a file.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="png", show_default=True)
@click.option("--batch-size", default=256, show_default=True, type=click.IntRange(1, 100_000))
@device
def sample(
    model: str, number: int, seed: int, labels: tuple[str, ...], truncation: float | None, out: Path | None, kind: str,
    batch_size: int, device: str | None,
) -> None:  # fmt: skip
    """Sample images from MODEL: PNG files, one .npz (images uint8 [N, H, W, C]), or one picture of all. A sound
    model writes WAV files, a vector model a table (--out rows.csv).
    """
    from tqdm import tqdm

    from papergan.inference.locate import load
    from papergan.inference.sampling import Request, sample_to_disk
    from papergan.inference.sound.files import sample_sounds
    from papergan.inference.sound.models import SoundModel
    from papergan.inference.vectors import VectorGenerator, sample_rows
    from papergan.training.signals import StopRequest

    request = Request(number, seed, labels, truncation, kind)
    generator = load(model, device)
    if isinstance(generator, VectorGenerator):
        click.echo(f"{number} rows of {model} in {sample_rows(generator, request, out or Path('samples.csv'))}")
        return
    out = out or Path({"png": "samples", "npz": "samples.npz", "grid": "samples.png"}[kind])
    if isinstance(generator, SoundModel):
        with tqdm(total=number, unit=" sounds", disable=None) as bar:
            paths = sample_sounds(generator, request, out, batch_size=batch_size, advance=bar.update)
        click.echo(f"{len(paths)} sounds of {model} in {out}")
        return
    with StopRequest().installed() as stop, tqdm(total=number, unit=" images", disable=None) as bar:
        done = sample_to_disk(
            generator, request, out, batch_size=batch_size, should_stop=stop.requested, advance=bar.update
        )
    if done is None:
        signal_number = stop() or signal.SIGINT
        raise Interrupted(signal_number, f"stopped by signal {signal_number}; the same command goes on from there")
    click.echo(f"{number} samples of {model} in {done}")


@main.command()
@model
@click.option("--card", is_flag=True, help="Print the whole model card.")
def info(model: str, card: bool) -> None:
    """Print the system, data, metrics and digest of MODEL."""
    from papergan.inference.locate import load

    generator = load(model, "cpu")
    written = "\n".join(map(on_one_line, generator.stored.card.splitlines())) if card else ""
    click.echo(written or repr(generator))


@main.command()
@click.argument("fake")
@click.option("--real", required=True, help="Real images: a folder, parquet, .npy or .npz file.")
@click.option("--held-out", default=None, help="Further real images, for copy rates and the floor of the FID.")
@click.option("-n", "--number", default=10_000, show_default=True, help="Samples, where FAKE is a model.")
@click.option("--seed", default=0, show_default=True, help="Of the samples and of every draw.")
@click.option("--extractor", type=click.Choice(("inception", "torchvision")), default="inception", show_default=True)
@click.option("--weights", default=None, help="A copy of the extractor's weights; else torch's cache, else a download.")
@click.option("--size", type=int, default=None, help="Resize images of files to this many pixels.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@device
def evaluate(
    fake: str, real: str, held_out: str | None, number: int, seed: int, extractor: Named, weights: str | None,
    size: int | None, as_json: bool, device: str | None,
) -> None:  # fmt: skip
    """Score FAKE, a model or a folder or file of images, against real images."""
    import json

    import torch

    from papergan.evaluation import image_metrics

    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    images = fake if _holds_images(fake) else _samples(fake, number, seed, where)
    scores = image_metrics.evaluate(
        images, real, held_out, extractor=extractor, weights=weights, device=where, seed=seed, size=size
    )
    lines = (f"{name:<24} {value:.5g}" for name, value in scores.items())
    click.echo(json.dumps(scores, indent=1) if as_json else "\n".join(lines))


def _holds_images(text: str) -> bool:
    """Whether this is a folder or file of images, not a model."""
    from papergan.inference.locate import models_in

    path = path_from(text)
    if path.is_dir():
        with reading_errors(path):
            return not models_in(path) and not (path / "model").is_dir()
    return path.suffix.lower() in (".npz", ".npy", ".parquet")


def _samples(model: str, number: int, seed: int, device: str) -> Any:
    from papergan.inference.locate import load_generator

    return load_generator(model, device).sample(number, seed=seed).pixels


@main.command()
@model
@click.option("--to", "kind", type=click.Choice(("onnx", "pt2")), default="onnx", show_default=True)
@click.option("--out", type=Target(), default=None, help="The file to write.")
def export(model: str, kind: str, out: Path | None) -> None:
    """Write MODEL as ONNX or as a torch.export program, verified before it is written."""
    from papergan.inference.export import export_model
    from papergan.inference.locate import load_generator

    path = export_model(load_generator(model, "cpu"), out or Path(f"generator.{kind}"), kind)
    click.echo(f"{path}: verified against the generator on 64 latents")


@main.command()
@model
@click.argument("images", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=Target(), default=Path("translated"), show_default=True, help="A folder.")
@click.option("--direction", type=click.Choice(("a_to_b", "b_to_a")), default="a_to_b", show_default=True)
@click.option("--tile", type=click.IntRange(8), default=None, help="Translate in squares of so many pixels.")
@device
def translate(
    model: str, images: Path, out: Path, direction: Literal["a_to_b", "b_to_a"], tile: int | None, device: str | None
) -> None:
    """Translate IMAGES (a file or all files of a folder, of any size) with MODEL; one PNG of the same name for each."""
    from papergan.inference.locate import load_generator
    from papergan.inference.translated_files import translate_files

    paths = translate_files(load_generator(model, device), images, out, direction=direction, tile=tile)
    click.echo(f"{len(paths)} {'image' if len(paths) == 1 else 'images'} translated by {model} in {out}")


@main.command()
@model
@click.argument("images", type=click.Path(exists=True, path_type=Path))
@click.option("--tile", type=click.IntRange(8), default=None, help="Translate in squares of so many pixels.")
@device
def measure(model: str, images: Path, tile: int | None, device: str | None) -> None:
    """Measure PSNR and SSIM of MODEL on IMAGES (a file or a folder, of any size), degraded as in its recipe."""
    from papergan.inference.locate import load_generator
    from papergan.inference.measured_files import measure_files

    click.echo(measure_files(load_generator(model, device), images, tile=tile).as_text())


@main.command()
@model
@click.argument("sounds", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=Target(), default=Path("vocoded"), show_default=True, help="A folder.")
@device
def vocode(model: str, sounds: Path, out: Path, device: str | None) -> None:
    """Restore SOUNDS (a WAV file or all WAV files of a folder) from their mel spectrograms with MODEL, a vocoder."""
    from papergan.inference.locate import load
    from papergan.inference.sound.files import vocode_files

    paths = vocode_files(load(model, device), sounds, out)
    click.echo(f"{len(paths)} {'sound' if len(paths) == 1 else 'sounds'} restored by {model} in {out}")


@main.command()
@model
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--public", is_flag=True, help="Allow a host that other machines reach; there is no login.")
@device
def serve(model: str, host: str, port: int, public: bool, device: str | None) -> None:
    """Serve MODEL over HTTP, with a web page to try it out."""
    from papergan.inference.locate import load
    from papergan.serving import server

    def announce() -> None:
        click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port} serves {model}; Ctrl-C ends it")

    server.serve(load(model, device), host, port, public=public, listening=announce)


@main.command()
@model
@click.option("--to", required=True, help="hf://ORGANISATION/NAME")
@click.option("--send", is_flag=True, help="Really send; without it, what would be sent is shown.")
@click.option("--private", is_flag=True)
def publish(model: str, to: str, send: bool, private: bool) -> None:
    """Upload MODEL with its card to the Hugging Face Hub; without --send, show what would be uploaded."""
    from papergan.inference import publish as hub

    click.echo(str(hub.publish(model, to, dry_run=not send, private=private)))


if __name__ == "__main__":
    sys.exit(main())
