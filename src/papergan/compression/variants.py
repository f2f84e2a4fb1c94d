"""Compressed forms of a trained generator: as a model folder where torch can run it, and as an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from papergan import systems
from papergan.compression.channel_pruning import narrowed
from papergan.compression.onnx_quantisation import OnnxGenerator, as_inputs, quantise
from papergan.compression.weight_pruning import prune_weights
from papergan.errors import RecipeError
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.inference.export import exported, input_names
from papergan.inference.generator import Generator
from papergan.inference.model_folder import StoredModel, encode_model
from papergan.inference.store import changed_model, restored, stored_spec
from papergan.messages import quoted
from papergan.validation import SampleCount, StrictModel

Precision = Literal["float32", "bfloat16", "int8_dynamic", "int8_static"]
WIDTHS = (("generator_width",), ("width",), ("base_width", "max_width"))
"""Settings that scale all layers of a generator: of the first of these that a system has."""
BATCH_NORM_BATCHES, CALIBRATION_BATCH = 50, 64


class Compression(StrictModel):
    """The steps that compress a generator, in this order.

    model: another trained one to use instead, for example distilled or fine-tuned; "" = the generator itself.
    keep_channels: share of the channels of every layer that are kept, above 0, to 1. prune_weights: share of the
    remaining weights that become zero, from 0, below 1. precision: of weights, and of computations with them.
    calibration: number of latents from which int8_static takes the ranges of activations.
    """

    model: str = ""
    keep_channels: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    prune_weights: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    precision: Precision = "float32"
    calibration: Annotated[SampleCount, Field(ge=64, le=100_000)] = 512


@dataclass(frozen=True, eq=False)
class Variant:
    """A compressed generator. model: None if only ONNX Runtime can run it. onnx: its file, in the same precision.

    sampler: generates its samples, on the CPU, as they are scored.
    """

    name: str
    model: StoredModel | None
    onnx: bytes | None
    sampler: Sampler
    progress: Progress

    @property
    def file(self) -> bytes:
        """The stored bytes of the generator: its weights, without an encoder, or the ONNX file if there is no model."""
        if self.model is not None:
            return encode_model(changed_model(self.model) if self.model.config["encoder"] else self.model)
        assert self.onnx is not None
        return self.onnx


class Autocast(nn.Module):
    """A generator whose convolutions and products are computed in bfloat16."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, *arguments: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            images: Tensor = self.generator(*arguments)
        return images


def compress(
    stored: StoredModel, name: str, what: Compression, *, seed: int = 0, threads: int = 1, to_onnx: bool = True
) -> Variant:  # fmt: skip
    """Compress a generator. seed: of the latents that statistics and ranges are taken from. threads: of ONNX Runtime.

    to_onnx: false leaves out the ONNX file of variants that torch can run.
    BatchNorm statistics are re-estimated if weights or channels are pruned.
    Raises RecipeError, with the name of the variant, if a step is not possible for its system.
    """
    try:
        model = stored
        if what.keep_channels < 1.0:
            model = with_fewer_channels(model, what.keep_channels)
        if what.prune_weights > 0.0 or what.keep_channels < 1.0:
            model = _pruned(model, what.prune_weights, seed)
        if what.model_copy(update={"model": ""}) != Compression():
            model = _named(model, stored, name, what)
        if what.precision == "bfloat16":
            rounded = {key: t.bfloat16() if t.is_floating_point() else t for key, t in model.tensors.tensors.items()}
            model = changed_model(model, rounded)
        return _variant(model, name, what, seed, threads, to_onnx)
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from error


def with_fewer_channels(stored: StoredModel, keep: float) -> StoredModel:
    """The generator with the most important share of each layer's channels, as a narrower network of its system.

    Raises RecipeError if the system has no width, or its channels cannot be pruned.
    """
    config = stored.config
    settings, wide = dict(config["settings"]), restored(stored, stored_spec(config))[0]
    names = next((some for some in WIDTHS if set(some) <= settings.keys()), None)
    if names is None:
        raise RecipeError(f"system {quoted(config['system'])} has no width of its generator that could be smaller")
    settings |= {name: max(1, round(keep * settings[name])) for name in names}
    game = systems.build(config["system"], stored_spec(config), settings, seed=0)
    narrow = game.networks[game.showcase.generator].requires_grad_(False).eval()
    arguments = wide.latents(1, 0, "channel pruning", progress=Progress(**config["progress"]))
    kept = narrowed(wide.generator, narrow, arguments)
    prior = {name: t for name, t in stored.tensors.tensors.items() if name.startswith("prior.")}
    return changed_model(stored, prior | {f"generator.{name}": t for name, t in kept.items()}, settings)


def _pruned(model: StoredModel, share: float, seed: int) -> StoredModel:
    """The model with its smallest weights at zero, and BatchNorm statistics re-estimated for the remaining ones."""
    sampler, _ = restored(model, stored_spec(model.config))
    prune_weights(sampler.generator, share)
    sampler.estimate_batch_norm(
        batches=BATCH_NORM_BATCHES, batch_size=64, seed=seed, progress=Progress(**model.config["progress"])
    )
    return changed_model(model, dict(sampler.state_dict()))


def _named(model: StoredModel, stored: StoredModel, name: str, what: Compression) -> StoredModel:
    """The model with a note of its origin and compression; the scores of the original do not count as its own."""
    about = {key: value for key, value in model.about.items() if key not in ("metrics", "protocol")}
    done = {
        "variant": name, "of": stored.config["digest"], "of_metrics": stored.about.get("metrics", {}),
        "keep_channels": what.keep_channels, "prune_weights": what.prune_weights, "precision": what.precision,
    }  # fmt: skip
    return changed_model(model, about=about | {"compression": done})


def _variant(model: StoredModel, name: str, what: Compression, seed: int, threads: int, to_onnx: bool) -> Variant:
    generator = Generator(model)
    progress, sampler = generator.progress, generator.sampler
    if what.precision == "bfloat16":
        return Variant(name, model, None, Sampler(sampler.prior, Autocast(sampler.generator)), progress)
    if what.precision == "float32":
        return Variant(name, model, exported(generator, "onnx", name) if to_onnx else None, sampler, progress)
    onnx = exported(generator, "onnx", name)
    if what.precision == "int8_dynamic":
        onnx = quantise(onnx, "dynamic")
    else:
        latents = sampler.latents(what.calibration, seed, "calibration", progress=progress)
        parts = zip(*(torch.split(part, CALIBRATION_BATCH) for part in latents), strict=True)
        onnx = quantise(onnx, "static", [as_inputs(input_names(generator), part) for part in parts])
    return Variant(name, None, onnx, Sampler(sampler.prior, OnnxGenerator(onnx, threads)), progress)
