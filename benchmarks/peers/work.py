"""The work of both sides of a comparison, and the clock that times a peer's loop and ours in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pairs import Pair
from standins import CLASSES, labels_of
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from counting import Counter
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput, Game
from papergan.game.priors import Gaussian
from papergan.game.terms import Loss
from papergan.game.two_player import two_player
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from throughput import recipe_of


class Enough(Exception):
    """Raised inside a peer's loop when all steps are timed; most of them know no other way to end early."""


@dataclass(frozen=True)
class Asked:
    """Options of both sides. pixels: uint8 [N, C, S, S]. width: of the networks if they have one, None = their own.

    network: which of the peer's, None for its default one. workers: processes that a DataLoader may use. Labels, if
    they are needed, are `standins.labels_of` the pixels.
    """

    path: Path | None
    pixels: Tensor
    device: torch.device
    batch: int
    steps: int
    folder: Path
    network: str | None = None
    width: int | None = None
    discriminator_steps: int | None = None
    workers: int = 1


@dataclass(frozen=True)
class Sides:
    """One piece of work, ready for either side; only one side may run, since a peer may train these very instances.

    game: builds ours, with the peer's networks or our own. peer: runs the peer's own loop until it ends or the clock
    ends it. flip: whether real images are mirrored. pairs: by name, our networks paired with the peer's, if each side
    has its own.
    """

    game: Callable[[], Game]
    peer: Callable[[], None]
    discriminator_steps: int = 1
    flip: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    pairs: dict[str, Pair] = field(default_factory=dict)


class Wrapped(nn.Module):
    """A peer's discriminator with the interface that our games expect. score: images -> logits, [B] or [B, 1]."""

    def __init__(self, network: nn.Module, score: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self._score = network, score

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self._score(images).flatten())


def adam(rate: float, betas: tuple[float, float], epsilon: float = 1e-8) -> Callable[..., torch.optim.Optimizer]:
    """Our optimiser with a peer's settings: the same formula, in the fused kernel."""
    return lambda weights: torch.optim.Adam(weights, lr=rate, betas=betas, eps=epsilon, fused=True)


class Clock:
    """Records when each step ends. per_step: the number of optimiser steps in one step of the loop.

    The first `warm_up` steps are left out. counter: also adds up FLOPs; None if they are not counted.
    """

    def __init__(self, asked: Asked, warm_up: int, per_step: int, counter: SplitCounter | None = None) -> None:
        self._device, self._steps, self._warm_up = asked.device, asked.steps, warm_up
        self._per_step, self._counter = per_step, counter
        self._moves, self.times, self.flops = 0, list[float](), list[tuple[int, int]]()
        self.processor = list[float]()

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Count every step of any optimiser inside the block; ends the loop inside it when enough are done."""

        def moved(*_: Any) -> None:
            self._moves += 1
            if self._moves % self._per_step == 0:
                self.tick()
                if len(self.times) == self._warm_up + self._steps:
                    raise Enough

        handle = register_optimizer_step_post_hook(moved)
        try:
            yield
        except Enough:
            pass
        finally:
            handle.remove()

    def tick(self) -> None:
        """Record the end of a step. Waits for the device at both ends of the timed part, and never in between."""
        done = len(self.times) + 1
        if self._device.type == "cuda" and done in (self._warm_up, self._warm_up + self._steps):
            torch.cuda.synchronize(self._device)
        self.times.append(time.perf_counter())
        self.processor.append(time.process_time())
        if self._counter is not None:
            self.flops.append((self._counter.forward, self._counter.backward))

    @property
    def seconds_per_step(self) -> float:
        return (self.times[-1] - self.times[self._warm_up - 1]) / self._steps

    @property
    def processor_seconds_per_step(self) -> float:
        """Processor time of this process only, without its DataLoader's workers and other processes."""
        return (self.processor[-1] - self.processor[self._warm_up - 1]) / self._steps

    @property
    def flops_per_step(self) -> tuple[int, int]:
        """FLOPs of the last step: forward passes, backward passes."""
        (forward, backward), (forward_before, backward_before) = self.flops[-1], self.flops[-2]
        return forward - forward_before, backward - backward_before


class SplitCounter(Counter):
    """Counts FLOPs inside backward passes separately, which shows gradients that are not used."""

    def __init__(self) -> None:
        super().__init__()
        self.backward = 0

    @property
    def forward(self) -> int:
        return self.flops - self.backward

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.flops
        result = super().__torch_dispatch__(func, types, args, kwargs)
        if torch._C._current_graph_task_id() != -1:  # -1 outside any backward pass
            self.backward += self.flops - before
        return result


def over_theirs(
    generator: nn.Module,
    discriminator: nn.Module,
    latent_dim: int,
    loss: Loss,
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    discriminator_steps: int = 1,
) -> Callable[[], Game]:
    """Our game with a peer's networks. generator: latent [B, latent_dim] -> images; discriminator: as `Wrapped`."""
    return lambda: two_player(
        generator=generator,
        discriminator=discriminator,
        prior=Gaussian(latent_dim),
        loss=loss,
        generator_optimiser=optimiser,
        discriminator_optimiser=optimiser,
        discriminator_steps=discriminator_steps,
    )


def over_ours(experiment: str, size: int, changes: Mapping[str, Any]) -> Game:
    """The game of one of our recipes, with our own networks, for colour images of ten classes.

    changes: settings of its system that differ from the recipe's; None keeps the recipe's.
    """
    recipe = recipe_of(experiment, [f"overrides.{key}={value}" for key, value in changes.items() if value is not None])
    return systems.build(recipe.system, ImageSpec(3, size, CLASSES), recipe.overrides, seed=0)


class _Timed(Trainer):
    """`Trainer` that reports every step to a clock; optimiser hooks do not run when a recorded graph is replayed."""

    clock: Clock

    def _run_step(self) -> None:
        super()._run_step()
        self.clock.tick()


def train_ours(sides: Sides, asked: Asked, clock: Clock, steps: int) -> None:
    """Our loop as it really runs: batches, turns, the check for non-finite values, reports, the save at the end."""
    labels, pixels = labels_of(asked.pixels), asked.pixels
    batches = Batches(pixels, labels, batch_size=asked.batch, seed=0, device=asked.device, flip=sides.flip)
    settings, store = TrainSettings(steps=steps, save_minutes=1e9), CheckpointStore(asked.folder / "ours", "benchmark")
    training = _Timed(sides.game().to(asked.device), batches, settings, store, Callbacks())
    training.clock = clock
    training.run()
