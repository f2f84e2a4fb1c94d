"""Golden numbers: what the first ten steps of every system's training come to, and how exactly that can be known.

    PYTHONPATH=tests python -m golden.make [SYSTEM ...]

writes tests/golden/<system>.json, on one thread of a CPU, in about half a minute per system. Make one anew only where
a change of numerics is intended, and say in the commit what changed and why; a new system needs its first one.

A file has, for every number, its value and its tolerance after every step. Training amplifies rounding: where an
activation is nearly 0, another CPU may see the other side of its kink, and Adam's first steps turn a gradient's sign
into a whole step. So a tolerance is measured: ten times the most that the number moved, up to that step, in eight runs
whose first weights were off by 1e-6 (relative, normal), and at least 1e-5 of the number (of gmmn 1e-4). Tolerances are
tight in the first steps, where a change of numerics shows, and grow from then on.

Measured on one machine with torch's plain kernels and its AVX2 ones (ATEN_CPU_CAPABILITY), on one thread and on two,
with oneDNN held to SSE4.1 or off, and with MKL in its compatible mode: ten steps stayed within a quarter of every
tolerance. Relative to the largest value of a series, losses and gradient norms differed after one and ten steps by at
most 2e-7 and 3e-7 (dcgan), 8e-6 and 9e-2 (hybrid), 7e-7 and 1e-3 (hybrid_fast), 2e-7 and 8e-4 (wgan_gp).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from helpers.small_systems import VARIANTS, pixels_of_inputs, small, spec, system_of
from papergan import systems
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer

COMMAND = "PYTHONPATH=tests python -m golden.make"
FOLDER = Path(__file__).parent
SEED, BATCH_SIZE, STEPS = 0, 4, 10
IMAGES = synthetic_shapes("train", 64)
DISTURBANCE, TRIES, MARGIN, LEAST = 1e-6, 8, 10, 1e-6
LEAST_OF = {"gmmn": 1e-5}  # a difference of nearly equal sums: processors of two makers came to 2e-5 of it apart

GAMES = [*systems.names(), *VARIANTS]

Numbers = dict[str, list[float | None]]  # by name, one after every step; None where there was none


def build(system: str) -> Game:
    """Small, as the other tests have it."""
    return systems.build(system_of(system), spec_of(system), small(system), seed=SEED)


def spec_of(system: str) -> ImageSpec:
    """The drawn images, with inputs for a system that translates."""
    return spec(system, size=IMAGES.spec.size, classes=len(IMAGES.classes))


def inputs_of(system: str) -> Tensor | None:
    """Random inputs for a system that translates."""
    return pixels_of_inputs(spec_of(system), len(IMAGES))


def train(
    game: Game, *, steps: int = STEPS, pixels: Tensor = IMAGES.images, labels: Tensor = IMAGES.labels,
    inputs: Tensor | None = None,
) -> Numbers:  # fmt: skip
    """Every number that training reports, and what became of the weights.

    moved.*: distance of a network's parameters from their first values; size.*: their norm; buffers.*: the norm of what
    else it keeps (running statistics, singular vectors). "average" beside the networks, where the game keeps one.
    """
    networks = dict(game.networks.items()) | ({"average": game.average.sampler} if game.average else {})
    weights = {name: list(network.parameters()) for name, network in networks.items()}
    buffers = {name: list(_buffers(network)) for name, network in networks.items()}
    begin = {name: [weight.detach().double().clone() for weight in mine] for name, mine in weights.items()}
    rows: list[dict[str, float]] = []

    def note(row: Mapping[str, float]) -> None:
        parts: dict[str, list[Tensor]] = {}
        for name, mine in weights.items():
            moves = [now.detach() - before for now, before in zip(mine, begin[name], strict=True)]
            parts |= {f"moved.{name}": moves, f"size.{name}": mine, f"buffers.{name}": buffers[name]}
        norms = {name: _norm(tensors) for name, tensors in parts.items() if tensors}
        rows.append({name: number for name, number in row.items() if name != "images_per_second"} | norms)

    batches = Batches(pixels, labels, batch_size=BATCH_SIZE, seed=SEED, device="cpu", flip=True, inputs=inputs)
    settings = TrainSettings(steps=steps, seed=SEED, report_every=1, save_minutes=60)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(game, batches, settings, CheckpointStore(Path(folder), "golden"), Callbacks(report=note)).run()
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def _buffers(network: torch.nn.Module) -> Iterable[Tensor]:
    saved = network.state_dict()
    return (buffer for name, buffer in network.named_buffers() if name in saved and buffer.is_floating_point())


def _norm(tensors: Iterable[Tensor]) -> float:
    return sum(float(tensor.detach().double().square().sum()) for tensor in tensors) ** 0.5


def disturbed(system: str, size: float, attempt: int) -> Game:
    """The same game, every first weight times 1 + size * N(0, 1)."""
    game, draw = build(system), torch.Generator().manual_seed(attempt)
    with torch.no_grad():
        for weight in game.networks.parameters():
            weight.mul_(1 + size * torch.randn(weight.shape, generator=draw))
    if game.average is not None:
        game.average.follow(game.average.source)
    return game


def make(system: str) -> dict[str, Any]:
    """What the file of this system holds."""
    inputs = inputs_of(system)
    numbers = train(build(system), inputs=inputs)
    others = [train(disturbed(system, DISTURBANCE, attempt), inputs=inputs) for attempt in range(TRIES)]
    least = LEAST_OF.get(system, LEAST)
    pairs = {name: _with_tolerances(mine, [other[name] for other in others], least) for name, mine in numbers.items()}
    return {
        "system": system, "settings": small(system), "seed": SEED, "batch_size": BATCH_SIZE,
        "torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(),
        "numbers": pairs,
    }  # fmt: skip


def _with_tolerances(
    values: list[float | None], others: list[list[float | None]], least: float
) -> list[list[float] | None]:
    drift, pairs = 0.0, []
    for value, found in zip(values, zip(*others, strict=True), strict=True):
        if value is None:
            pairs.append(None)
            continue
        drift = max(drift, *(abs(value - other) for other in found))
        pairs.append([float(f"{value:.9g}"), float(f"{MARGIN * max(drift, least * abs(value)):.2g}")])
    return pairs


def write(golden: Mapping[str, Any]) -> Path:
    """One line per number, so that a change reads well."""
    head = [f' "{key}": {json.dumps(value)},' for key, value in golden.items() if key != "numbers"]
    rows = ",\n".join(f'  "{name}": {json.dumps(pairs)}' for name, pairs in golden["numbers"].items())
    path = FOLDER / f"{golden['system']}.json"
    path.write_text("\n".join(["{", *head, ' "numbers": {', rows, " }", "}"]) + "\n")
    return path


def read(system: str) -> dict[str, Any]:
    """Raises FileNotFoundError saying how to make a file that is missing."""
    path = FOLDER / f"{system}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing: make it with `{COMMAND} {system}`")
    golden: dict[str, Any] = json.loads(path.read_text())
    return golden


def differences(golden: Mapping[str, Any], numbers: Numbers) -> list[str]:
    """Where numbers, of all steps or of the first ones, are not the golden ones; the earliest step first."""
    found = []
    for step in range(len(next(iter(numbers.values())))):
        expected = {name: pairs[step] for name, pairs in golden["numbers"].items() if pairs[step] is not None}
        got = {name: values[step] for name, values in numbers.items() if values[step] is not None}
        if expected.keys() != got.keys():
            found.append(f"step {step + 1}: {sorted(expected.keys() ^ got.keys())} on one side only")
        for name in [name for name in expected if name in got]:
            (value, tolerance), now = expected[name], got[name]
            if not abs(now - value) <= tolerance:
                found.append(f"step {step + 1}: {name} is {now:.9g}, golden {value:.9g} within {tolerance:.2g}")
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for one in sys.argv[1:] or GAMES:
        print(write(make(one)))
