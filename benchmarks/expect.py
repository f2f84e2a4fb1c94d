"""Estimates for larger images and several devices, from counts; nothing here is measured.

Counted on any machine, for one step of each system with its recipe: FLOPs, operators, bytes kept for the backward pass
in float32, state, and bytes that ranks sum. Two small batches give the fixed part and the part per image.

Estimated from these counts and from assumptions, all of which are options: one device computes for FLOPs / (attainable
* share) seconds; meanwhile its host needs `launch` per operator; N devices split the batch, repeat the fixed part, and
then sum gradients in a ring, 2 (N - 1) / N of their bytes at `bandwidth`, without overlap:
step = max(computing, host) + summing.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from typing import Any, NamedTuple

from bench import Bench
from counting import summed_bytes
from growth import power_law
from papergan.atomic_files import write_whole
from papergan.config.experiment import Recipe
from papergan.errors import RecipeError
from papergan.tracking import provenance
from throughput import recipe_of

EXPERIMENTS = ("hybrid_cifar10", "hybrid_fast", "dcgan_cifar10", "wgan_gp_cifar10")
SMALL = (1, 2)  # batch sizes that are counted
ATTAINABLE = {"float32": 50.0, "tf32": 300.0, "bfloat16": 500.0}  # TFLOP/s; assumed, below the numbers in data sheets


class Cost(NamedTuple):
    """The cost of a step: fixed + per_image * batch of one device."""

    fixed: float
    per_image: float

    def of(self, batch: float) -> float:
        return self.fixed + self.per_image * batch


def expect(given: argparse.Namespace) -> str:
    """Count what is missing in the folder's expected.json; write and return the tables as Markdown."""
    place = given.folder / "expected.json"
    counted = json.loads(place.read_text()) if place.exists() else {}
    names, commit = given.experiments or EXPERIMENTS, provenance.commit().name
    for name in names:
        recipe = recipe_of(name, [*given.set, "training.device=cpu"])
        for size in given.sizes:
            key = f"{name} {size}"
            about = {"commit": commit, "set": given.set}
            if key not in counted or {part: counted[key].get(part) for part in about} != about:
                print(f"counting {key}", file=sys.stderr, flush=True)
                counted[key] = {**about, **counts(recipe, size)}
                write_whole(place, (json.dumps(counted, indent=1) + "\n").encode())
    rows = [(name, size, counted[f"{name} {size}"]) for name in names for size in given.sizes]
    text = "\n\n".join([_counted(rows), _growth(rows), *_estimated(rows, given)])
    write_whole(given.folder / "expected.md", (text + "\n").encode())
    return text


def counts(recipe: Recipe, size: int) -> dict[str, Any]:
    """The counts of one step, as plain values; pairs are fields of `Cost`. All is computed in float32 on a CPU."""
    flops, kept = [], []
    for batch in SMALL:
        training = recipe.training.model_copy(update={"batch_size": batch, "precision": "float32"})
        bench = Bench(recipe.model_copy(update={"training": training}), size)
        found = bench.counts()
        flops.append(found.flops)
        kept.append(float(found.kept_bytes))
    game = bench.game
    weights = {name: sum(w.numel() for w in network.parameters()) for name, network in game.networks.items()}
    moments = sum(
        value.numel() * value.element_size()
        for optimiser in game.optimisers.values()
        for entry in optimiser.state.values()
        for value in entry.values()
        if hasattr(value, "numel")
    )
    average = sum(weight.numel() for weight in game.average.sampler.parameters()) if game.average is not None else 0
    return {
        "batch": recipe.training.batch_size, "precision": recipe.training.precision, "weights": weights,
        "batches_per_step": game.batches_per_step, "flops": line(SMALL, flops), "kept_bytes": line(SMALL, kept),
        "operators": found.operators, "state_bytes": 4 * (2 * sum(weights.values()) + average) + moments,
        "summed_bytes": summed_bytes(game),
    }  # fmt: skip


def line(batches: tuple[int, int], values: list[float]) -> Cost:
    """The straight line through two points."""
    slope = (values[1] - values[0]) / (batches[1] - batches[0])
    return Cost(values[0] - slope * batches[0], slope)


def seconds(counted: dict[str, Any], batch: int, devices: int, given: argparse.Namespace) -> dict[str, float]:
    """Estimated seconds of a step in which `devices` share `batch`, by part. Raises RecipeError for a wrong rate."""
    rates = ATTAINABLE | dict(_rate(text) for text in given.attainable)
    computing = Cost(*counted["flops"]).of(batch / devices) / (1e12 * rates[counted["precision"]] * given.share)
    host = 1e-6 * given.launch * counted["operators"]
    summing = 2 * (devices - 1) / devices * counted["summed_bytes"] / (1e9 * given.bandwidth)
    return {"computing": computing, "host": host, "summing": summing, "step": max(computing, host) + summing}


def _rate(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        rate = float(value)
    except ValueError:
        rate = 0.0
    if name not in ATTAINABLE or rate <= 0:
        raise RecipeError(f"--attainable takes PRECISION=TFLOPS, of {', '.join(ATTAINABLE)}, got {text!r}")
    return name, rate


def _counted(rows: list[tuple[str, int, dict[str, Any]]]) -> str:
    head = (
        "## Counted, per step of the recipe\n\n"
        "| experiment | size | batch | GFLOP per image | Mweights | state, MiB | "
        "kept per image, MiB | summed by ranks, MiB | operators |\n" + "|---" * 9 + "|"
    )
    lines = []
    for name, size, counted in rows:
        flops, kept = Cost(*counted["flops"]), Cost(*counted["kept_bytes"])
        values = [
            flops.per_image / counted["batches_per_step"] / 1e9,
            sum(counted["weights"].values()) / 1e6, counted["state_bytes"] / 2**20, kept.per_image / 2**20,
            counted["summed_bytes"] / 2**20, counted["operators"],
        ]  # fmt: skip
        lines.append(f"| {name} | {size} | {counted['batch']} | {' | '.join(f'{v:.4g}' for v in values)} |")
    return "\n".join([head, *lines])


def _growth(rows: list[tuple[str, int, dict[str, Any]]]) -> str:
    """Exponents in the side length of an image, between neighbouring sizes."""
    head = (
        "## How the counts grow with the side of an image\n\n"
        "| experiment | sizes | FLOPs per image | kept per image | weights |\n" + "|---" * 5 + "|"
    )
    lines = []
    for (name, size, small), (other, larger, large) in pairwise(rows):
        if name != other or size == larger:
            continue
        pairs = [
            (small["flops"][1], large["flops"][1]), (small["kept_bytes"][1], large["kept_bytes"][1]),
            (sum(small["weights"].values()), sum(large["weights"].values())),
        ]  # fmt: skip
        laws = [power_law([(size, before), (larger, after)]) for before, after in pairs]
        shown = " | ".join("" if law is None else f"{law[0]:.2f}" for law in laws)
        lines.append(f"| {name} | {size} to {larger} | {shown} |")
    return "\n".join([head, *lines])


def _estimated(rows: list[tuple[str, int, dict[str, Any]]], given: argparse.Namespace) -> list[str]:
    rates = ATTAINABLE | dict(_rate(text) for text in given.attainable)
    said = ", ".join(f"{rate:g} ({name})" for name, rate in rates.items())
    assumed = (
        f"An estimate; no GPU measurement backs it. Assumed: attainable TFLOP/s {said}; {given.share:g} of it reached; "
        f"{given.launch:g} microseconds of the host per operator; ranks sum gradients at {given.bandwidth:g} GB/s."
    )
    many = given.devices
    head = (
        "| experiment | size | devices | batch | images per second | limited by | summing, share of a step | "
        "state and kept per device, GiB |\n" + "|---" * 8 + "|"
    )
    lines = []
    for name, size, counted in rows:
        batch = counted["batch"]
        for devices, whole in ((1, batch), (many, batch), (many, many * batch)):
            found = seconds(counted, whole, devices, given)
            rate = whole * counted["batches_per_step"] / found["step"]
            limit = max(("computing", "host", "summing"), key=found.__getitem__)
            memory = (counted["state_bytes"] + Cost(*counted["kept_bytes"]).of(whole / devices)) / 2**30
            share = found["summing"] / found["step"]
            lines.append(
                f"| {name} | {size} | {devices} | {whole} | {rate:.3g} | {limit} | {share:.2f} | {memory:.2g} |"
            )
    return ["## Estimated", assumed, "\n".join([head, *lines])]
