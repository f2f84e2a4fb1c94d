"""The exported generator with its prior: samples, interpolations, BatchNorm statistics."""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.game.priors import Prior, WithChoice, linear
from papergan.game.schedules import Progress
from papergan.randomness import random_state, seeded, set_random_state

START = Progress()
CHUNK = 500  # images per seed; fixed, so that samples depend on neither the batch size nor the number of devices
ON_A_CPU = 50  # images at once on a CPU: activations fit its caches, which takes a third less time


class Sampler(nn.Module):
    """A generator with its prior. Its `state_dict` is saved as the final generator."""

    def __init__(self, prior: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.prior, self.generator = prior, generator

    def forward(self, count: int, progress: Progress = START) -> Tensor:
        """Generate `count` images, float32 [count, C, S, S] in [-1, 1], from the ambient random state."""
        images: Tensor = self.generator(*self.prior(count, progress))
        return images.float()

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters(), torch.empty(0)).device

    def drawing_on_cpu(self) -> Sampler:
        """A sampler with a copy of the prior on the CPU, so that the latents of a seed are the same on any device.

        It makes no images: its generator flattens latents.
        """
        return Sampler(copy.deepcopy(self.prior).to("cpu"), nn.Flatten())

    @torch.no_grad()
    def stream(
        self,
        count: int,
        *,
        seed: int,
        progress: Progress = START,
        truncation: float | None = None,
        chunks: Collection[int] | None = None,
        choices: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Generate `count` images in evaluation mode, in chunks of at most 500: float32 [B, C, S, S] in [-1, 1].

        Image i is a function of (weights, seed, truncation, i): a longer stream begins with the shorter one. The
        ambient random state and the training mode are left as they were. truncation: see `Prior.truncated`.
        chunks: generate only these chunks, numbered from 0; None for all. choices: int64 [L], classes or members that
        the images take in turn, if the prior is a `WithChoice`; None = as the prior draws them.
        """
        was_training = self.training
        self.eval()
        try:
            for chunk, start in enumerate(range(0, count, CHUNK)):
                if chunks is not None and chunk not in chunks:
                    continue
                latent = self.latents(CHUNK, seed, "samples", chunk, progress=progress, truncation=truncation)
                wanted = min(CHUNK, count - start)
                if choices is not None:
                    latent = self.with_choices(latent, choices, start)
                yield self.decode(*(part[:wanted] for part in latent), truncation=truncation)
        finally:
            self.train(was_training)

    def choices(
        self, count: int, *, seed: int, progress: Progress = START, truncation: float | None = None
    ) -> Tensor | None:
        """The classes, or members, of the images of `stream`, int64 [count], on the host; None if there are none."""
        if not isinstance(self.prior, WithChoice):
            return None
        chunks = range(-(-count // CHUNK))
        draws = (self.latents(CHUNK, seed, "samples", c, progress=progress, truncation=truncation) for c in chunks)
        return torch.cat([draw[-1].argmax(1) for draw in draws])[:count].cpu()

    def with_choices(self, latent: tuple[Tensor, ...], choices: Tensor, first: int = 0) -> tuple[Tensor, ...]:
        """The generator's arguments with given choices, int64 [L], in turn; first: index of the first image.

        Raises RecipeError if the prior has no choice.
        """
        if not isinstance(self.prior, WithChoice):
            raise RecipeError(f"{type(self.prior).__name__} draws neither classes nor members; leave labels out")
        places = torch.arange(first, first + len(latent[0])) % len(choices)
        return self.prior.with_choice(latent, choices.cpu()[places])

    @torch.no_grad()
    def decode(self, *latent: Tensor, truncation: float | None = None) -> Tensor:
        """Images from the generator's arguments, [B, ...] each, in parts: float32 [B, C, S, S] in [-1, 1].

        truncation: for a generator that truncates by itself, see `Prior.truncates`; otherwise it is in the latents.
        """
        at_once = ON_A_CPU if self.device.type == "cpu" else CHUNK
        parts = zip(*(torch.split(part, at_once) for part in latent), strict=True)
        more = {} if truncation is None or not self.generator_truncates else {"truncation": truncation}
        return torch.cat([self.generator(*part, **more).float() for part in parts])

    @property
    def generator_truncates(self) -> bool:
        """Whether truncation applies to the generator's styles, by a factor psi, and not to the prior's latents."""
        return isinstance(self.prior, Prior) and not self.prior.truncates

    @torch.no_grad()
    def latents(
        self, count: int, seed: int, *purpose: str | int, progress: Progress, truncation: float | None = None
    ) -> tuple[Tensor, ...]:
        """The generator's arguments, a function of (seed, purpose). Raises RecipeError as `Prior.truncated` does."""
        with seeded(seed, *purpose, device=self.device):
            return self._sample_latents(count, progress, truncation)

    def _sample_latents(self, count: int, progress: Progress, truncation: float | None) -> tuple[Tensor, ...]:
        if truncation is None:
            latents: tuple[Tensor, ...] = self.prior(count, progress)
        else:
            latents = self.prior.truncated(count, progress, truncation)  # type: ignore[operator]
        return latents

    @torch.no_grad()
    def interpolate(self, rows: int, steps: int, *, seed: int, progress: Progress = START) -> Tensor:
        """Interpolate between `rows` pairs of latents, `steps` images each with ends: float32 [rows * steps, C, S, S].

        Interpolates as the prior does, see `Prior.between`; linearly if the source is not a Prior. Only the latent
        changes: labels and other arguments of the generator stay those of the start. In evaluation mode.
        """
        start, end = (self.latents(rows, seed, f"way {which}", progress=progress) for which in ("start", "end"))
        between = self.prior.between if isinstance(self.prior, Prior) else linear
        position = torch.linspace(0, 1, steps, device=self.device).repeat(rows)
        first, last = (part.repeat_interleave(steps, 0) for part in (start[0], end[0]))
        rest = [part.repeat_interleave(steps, 0) for part in start[1:]]
        was_training = self.training
        self.eval()
        try:
            images: Tensor = self.generator(between(first, last, position), *rest)
        finally:
            self.train(was_training)
        return images.float()

    def estimate_batch_norm(
        self, *, batches: int, batch_size: int, seed: int, progress: Progress = START, truncation: float | None = None
    ) -> None:
        """Re-estimate BatchNorm's running statistics under the present weights ("standing statistics").

        The statistics become the plain mean over `batches` batches of the batch mean and unbiased batch variance.
        Averaged weights never processed data, so statistics copied from the generator that did may tint images
        (Brock et al. 2019, arXiv:1809.11096, appendix C.1). Does nothing if there is no BatchNorm.
        truncation: of the latents, see `Prior.truncated`.
        """
        steps = self.batch_norm_steps(
            batches=batches, batch_size=batch_size, seed=seed, progress=progress, truncation=truncation
        )
        for _ in steps:
            pass

    def batch_norm_steps(
        self, *, batches: int, batch_size: int, seed: int, progress: Progress = START, truncation: float | None = None
    ) -> Iterator[int]:
        """`estimate_batch_norm` in steps of one batch, for callers that may have to pause: yields the batches done.

        Latents are drawn on the CPU, so that they are the same on any device. The ambient random state is unchanged
        between steps. Until the last step, the statistics are those of the batches so far and the generator is in
        training mode.
        """
        norms = [m for m in self.generator.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        was_training = self.training
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative mean
        self.train()
        source = self if self.device.type == "cpu" else self.drawing_on_cpu()
        state = None
        for done in range(1, batches + 1):
            with seeded(seed, "batch norm", device=self.device), torch.no_grad():
                if state is not None:
                    set_random_state(state, self.device)
                latents = source._sample_latents(batch_size, progress, truncation)
                self.generator(*(part.to(self.device) for part in latents))
                state = random_state(self.device)
            yield done
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.train(was_training)


def measure_sampling_seconds(sampler: Sampler, *, seed: int, progress: Progress = START, chunks: int = 1) -> float:
    """The sampling time of one image in seconds, in evaluation mode and chunks of 500; the first chunk is not timed."""
    stream = sampler.stream((1 + chunks) * CHUNK, seed=seed, progress=progress)
    next(stream)
    _wait(sampler.device)
    started = time.perf_counter()
    for _ in stream:
        pass
    _wait(sampler.device)
    return (time.perf_counter() - started) / (chunks * CHUNK)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
