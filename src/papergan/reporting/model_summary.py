"""Model summaries: networks, parameters, multiply-accumulate operations, players, turns and terms of a game."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, always
from papergan.game.schedules import Progress, Schedule
from papergan.game.step_context import StepContext
from papergan.randomness import seeded

if TYPE_CHECKING:
    import pandas as pd

BATCH = 2  # images in the forward pass that gives shapes and operations


@dataclass
class LayerSummary:
    """A module without children. output: its shape for one image. macs: multiply-accumulate operations per image."""

    name: str
    kind: str
    parameters: int
    output: tuple[int, ...] | None = None
    macs: int | None = None


@dataclass
class NetworkSummary:
    """One network. macs: per image, forward; None if the pass from latents and images to scores does not use it."""

    name: str
    kind: str
    parameters: int
    buffers: int
    players: tuple[str, ...]
    output: tuple[int, ...] | None = None
    macs: int | None = None
    layers: list[LayerSummary] = field(default_factory=list)


def summarise(game: Game, images: ImageSpec) -> list[NetworkSummary]:
    """Every network of a game, from one forward pass on two random images in evaluation mode.

    The game and the ambient random state are left unchanged. Operations are counted by torch's flop counter, which
    covers convolutions and matrix products, and halved: one multiplication and one addition count as one operation.
    """
    summaries = {name: _described(game, name) for name in game.networks}
    calls: dict[str, tuple[Any, ...]] = {}  # arguments of each network's first call

    def keep(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        calls.setdefault(name, inputs)

    with _evaluation_mode(game), seeded(0, "model summary", device=game.device), torch.no_grad():
        with ExitStack() as stack:
            for name, network in game.networks.items():
                stack.enter_context(network.register_forward_pre_hook(partial(keep, name)))
            _forward(game, images)
        for name, inputs in calls.items():
            _count(game.networks[name], inputs, summaries[name])
    return list(summaries.values())


def _described(game: Game, name: str) -> NetworkSummary:
    network = game.networks[name]
    layers = [
        LayerSummary(path or "(itself)", type(module).__name__, sum(p.numel() for p in module.parameters()))
        for path, module in network.named_modules()
        if not any(True for _ in module.children()) and not path.partition("parametrizations")[1]
    ]
    return NetworkSummary(
        name,
        type(network).__name__,
        sum(parameter.numel() for parameter in network.parameters()),
        sum(buffer.numel() for buffer in network.buffers()),
        tuple(player for player, one in game.players.items() if name in {p.partition(".")[0] for p in one.networks}),
        layers=layers,
    )


def _forward(game: Game, images: ImageSpec) -> None:
    """Run both sides of every match that a term uses, and of the one whose generator is exported."""
    batch = images.random_batch(BATCH, game.device)
    for turn in game.turns:
        context = StepContext(game, turn, batch, Progress())
        matches: dict[Match, None] = dict.fromkeys(term.match for term in turn.objective)
        for match in [game.showcase, *matches]:
            context.discriminated_real(match)
            context.discriminated_fake(match)


def _count(network: nn.Module, inputs: tuple[Any, ...], summary: NetworkSummary) -> None:
    """Run the network alone once more, and record the shapes and operations of the network and its layers."""
    layers = {layer.name: layer for layer in summary.layers}
    shapes: dict[str, tuple[int, ...]] = {}

    def note(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) and output else output
        if isinstance(value, Tensor):
            shapes[path] = tuple(value.shape[1:])

    with ExitStack() as stack:
        for path, module in network.named_modules():
            stack.enter_context(module.register_forward_hook(partial(note, path or "(itself)")))
        counter = stack.enter_context(FlopCounterMode(display=False))
        network(*inputs)
    batch = _batch_of(inputs)
    summary.output, summary.macs = shapes.get("(itself)"), counter.get_total_flops() // (2 * batch)
    counts = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    for name, layer in layers.items():
        layer.output = shapes.get(name)
        layer.macs = counts.get(name, 0) // (2 * batch) if name in shapes else None


@torch.no_grad()
def macs_of(network: nn.Module, inputs: tuple[Any, ...]) -> int:
    """Multiply-accumulate operations per image of one network, counted as in `summarise`; inputs: [B, ...] each."""
    with FlopCounterMode(display=False) as counter:
        network(*inputs)
    return int(counter.get_total_flops()) // (2 * _batch_of(inputs))


def _batch_of(inputs: tuple[Any, ...]) -> int:
    """The number of images in a pass: the rows of the first tensor, or, for a prior, the number it is given."""
    first = next((value for value in inputs if isinstance(value, Tensor)), None)
    return len(first) if first is not None else int(inputs[0]) if inputs else 1


@contextmanager
def _evaluation_mode(game: Game) -> Iterator[None]:
    modes = [(module, module.training) for module in game.networks.modules()]
    game.networks.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def network_table(summaries: list[NetworkSummary]) -> pd.DataFrame:
    """A row per network."""
    import pandas as pd

    return pd.DataFrame(
        {
            "network": one.name, "class": one.kind, "trained by": ", ".join(one.players), "parameters": one.parameters,
            "output of one image": _shape(one.output), "MACs per image": one.macs, "buffers": one.buffers or None,
        }
        for one in summaries
    ).astype({"MACs per image": "Int64", "buffers": "Int64"})  # fmt: skip


def layer_table(summary: NetworkSummary) -> pd.DataFrame:
    """A row per layer of a network, in the order in which they were built."""
    import pandas as pd

    return pd.DataFrame(
        {
            "layer": layer.name, "class": layer.kind, "output": _shape(layer.output), "parameters": layer.parameters,
            "MACs per image": layer.macs,
        }
        for layer in summary.layers
    ).astype({"MACs per image": "Int64"})  # fmt: skip


def player_table(game: Game) -> pd.DataFrame:
    """A row per player: its networks, optimiser, rate and constraints."""
    import pandas as pd

    return pd.DataFrame(
        {
            "player": name, "networks": ", ".join(player.networks),
            "optimiser": _optimiser(game.optimisers[name], player.schedules),
            "learning rate": _schedule(player.learning_rate) or f"{game.optimisers[name].defaults['lr']:g}",
            "constraints": ", ".join(map(_named, player.constraints)),
            "largest gradient": player.max_gradient_norm or "",
        }
        for name, player in game.players.items()
    )  # fmt: skip


def turn_table(game: Game) -> pd.DataFrame:
    """A row per term, in the order in which players take their turns."""
    import pandas as pd

    return pd.DataFrame(
        {
            "turn": place, "player": turn.player, "steps": turn.repeats,
            "when": "always" if turn.when is always else _named(turn.when), "term": name.partition(".")[2],
            "weight": _schedule(term.weight), "loss": _named(getattr(term, "loss", "")),
            "fakes per real": turn.fakes_per_real,
        }
        for place, turn in enumerate(game.turns, 1)
        for name, term in zip(turn.names, turn.objective, strict=True)
    )  # fmt: skip


def notes_on(game: Game, images: ImageSpec, summaries: list[NetworkSummary]) -> list[str]:
    """Notes below the tables: images, memory of the weights, average, augmentation."""
    weights = sum(one.parameters + one.buffers for one in summaries)
    classes = f", {images.num_classes} classes" if images.num_classes else ""
    augmented = "none" if game.augment is None else _named(game.augment)
    return [
        f"images {images.channels}x{images.size}x{images.size} in [-1, 1]{classes}",
        f"{weights:,} numbers in all networks, {4 * weights / 2**20:.1f} MiB as float32",
        f"real batches per training step: {game.batches_per_step}; updates of the players: {game.updates}",
        f"exported: {game.showcase.generator}, drawn from {game.showcase.source}; "
        f"average of its weights: {_average(game)}",
        f"augmentation of what discriminators see: {augmented}",
        "MACs: multiply-accumulate operations of one forward pass in evaluation mode, of convolutions and matrix "
        "products, by torch's flop counter; a training step takes several such passes and their derivatives",
    ]


def _average(game: Game) -> str:
    return "none" if game.average is None else f"EMA, decay {_schedule(game.average.decay)}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, shape)) if shape else ""


def _schedule(schedule: Schedule | None) -> str:
    """A constant as a number, a dataclass as its settings, a controller by its class."""
    if schedule is None:
        return ""
    return f"{schedule:g}" if isinstance(schedule, int | float) else _named(schedule)


def _named(something: object) -> str:
    """A function by its name, a network or a long value by its class, other values by their repr."""
    if isinstance(something, str):
        return something
    name = getattr(something, "__name__", None)
    if isinstance(name, str):
        return name
    text = repr(something)
    return type(something).__name__ if isinstance(something, nn.Module) or " object at 0x" in text else text


def _optimiser(optimiser: torch.optim.Optimizer, schedules: Mapping[str, Schedule]) -> str:
    shown: Mapping[str, object] = {
        key: value
        for key, value in optimiser.defaults.items()
        if key in ("betas", "alpha", "momentum", "rho", "weight_decay", "eps") and value
    } | {key: _schedule(schedule) for key, schedule in schedules.items()}
    settings = ", ".join(f"{key} {value}" for key, value in shown.items())
    return f"{type(optimiser).__name__}({settings})"
