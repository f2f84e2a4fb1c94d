"""Priors: networks that draw the generator's arguments. A prior may have weights, which a player may train."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.game.schedules import Progress
from papergan.game.sharding import per_image
from papergan.image_range import to_model_range

Interpolation = Callable[[Tensor, Tensor, Tensor], Tensor]  # from [B, Z] to [B, Z], at positions [B] in 0..1


class Prior(nn.Module):
    """The base class: draws `count` latents as a tuple of the generator's arguments, on the device of its buffers.

    truncates: whether truncation applies to the latents; otherwise the generator applies it, for example to its styles,
    and has an argument `truncation` for that.
    """

    where: Tensor
    truncates = True

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
        self.latent_dim = latent_dim
        self.register_buffer("where", torch.zeros(()), persistent=False)

    def for_batch(self, batch: Mapping[str, Tensor], count: int, progress: Progress) -> tuple[Tensor, ...]:
        """As `forward`, in a training step on this batch of real images, which a prior may use; most do not."""
        latents: tuple[Tensor, ...] = self(count, progress)
        return latents

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        """As `forward`, from the prior truncated to [-threshold, threshold] in every component.

        The lower the threshold, the higher the fidelity and the lower the diversity; gan_optimisation_review (section
        IV.C) says that diversity improves.
        Raises RecipeError if this prior cannot be truncated.
        Source: Brock et al. 2019, arXiv:1809.11096, section 3.1, the truncation trick.
        """
        raise RecipeError(f"latents of {type(self).__name__} cannot be truncated; leave evaluation.truncation out")

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """Linear interpolation from `start` to `end`, [B, Z] each; position [B] in 0..1."""
        return linear(start, end, position)

    def between_by(self, interpolation: Interpolation, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """As `between`, by another interpolation of what can be interpolated: `slerp`, for example."""
        return interpolation(start, end, position)

    def path(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """As `between`, for path lengths: a path on which images change continuously."""
        return self.between(start, end, position)


class Gaussian(Prior):
    """z ~ N(0, I), float32 [count, latent_dim]."""

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (per_image(lambda n: torch.randn(n, self.latent_dim, device=self.where.device), count),)

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        """Inverse transform sampling: z = sqrt(2) erfinv(u erf(t / sqrt(2))), u ~ U(-1, 1)."""
        u = per_image(lambda n: torch.rand(n, self.latent_dim, device=self.where.device), count) * 2.0 - 1.0
        latent = math.sqrt(2) * torch.erfinv(u * math.erf(threshold / math.sqrt(2)))
        return (latent.clamp(-threshold, threshold),)  # of a high threshold, erf is 1 and its inverse at -1 infinite

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """Spherical interpolation, since a straight line leaves the shell on which the latents lie."""
        return slerp(start, end, position)


class Uniform(Prior):
    """z ~ U(-limit, limit), or U(0, limit) where `positive`, float32 [count, latent_dim]."""

    def __init__(self, latent_dim: int, limit: float = 1.0, *, positive: bool = False) -> None:
        super().__init__(latent_dim)
        self.limit, self.positive = limit, positive

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        drawn = per_image(lambda n: torch.rand(n, self.latent_dim, device=self.where.device), count)
        return ((drawn if self.positive else drawn * 2.0 - 1.0) * self.limit,)

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        """The same prior with a limit of t; unchanged for a threshold at or above its limit."""
        return tuple(z * min(threshold / self.limit, 1.0) for z in self(count, progress))


class WithDropoutNoise(Prior):
    """A prior with noise for a generator's dropout: [z, u], u ~ U(0, 1)^units, float32 [count, latent_dim].

    With dropout masks made from u, an image is a function of its latent although dropout stays on. Only z is truncated.
    latent_dim: of z and u together.
    """

    def __init__(self, latents: Prior, units: int) -> None:
        super().__init__(latents.latent_dim + units)
        self.latents, self.units = latents, units
        self.truncates = latents.truncates

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return self._with_noise(*self.latents(count, progress))

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        return self._with_noise(*self.latents.truncated(count, progress, threshold))

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """As z is interpolated; u is taken over from the end one number after another, so that it stays uniform."""
        return self.between_by(self.latents.between, start, end, position)

    def path(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        """With the noise of the start, since images jump where a mask changes."""
        size = self.latents.latent_dim
        moved = self.latents.path(start[:, :size], end[:, :size], position)
        return torch.cat([moved, start[:, size:].to(moved)], dim=1)

    def between_by(self, interpolation: Interpolation, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        size = self.latents.latent_dim
        moved = interpolation(start[:, :size], end[:, :size], position)
        switched_at = (torch.arange(self.units, device=start.device) + 0.5) / self.units
        noise = torch.where(position[:, None].to(start) > switched_at, end[:, size:], start[:, size:])
        return torch.cat([moved, noise], dim=1)

    def _with_noise(self, latent: Tensor) -> tuple[Tensor, ...]:
        noise = per_image(lambda n: torch.rand(n, self.units, device=self.where.device), len(latent))
        return (torch.cat([latent, noise], dim=1),)


class WithChoice(Prior):
    """A prior with a uniform categorical variable: (z, one-hot [count, choices]). Only z is truncated.

    from_batch: whether, in a training step, the choices are the classes of the real images, `label` of the batch, so
    that fakes have the classes of the reals that they are compared with; otherwise they are drawn there too.
    """

    def __init__(self, latents: Prior, choices: int, *, from_batch: bool = False) -> None:
        super().__init__(latents.latent_dim)
        self.latents, self.choices, self.from_batch = latents, choices, from_batch
        self.truncates = latents.truncates

    def chosen(self, count: int) -> Tensor:
        """Draw choices uniformly, int64 [count]."""
        return per_image(lambda n: torch.randint(self.choices, (n,), device=self.where.device), count)

    def with_choice(self, latents: tuple[Tensor, ...], chosen: Tensor) -> tuple[Tensor, ...]:
        """A draw of this prior with its choices replaced by the given ones, int64 [count]."""
        return (*latents[:-1], one_hot(chosen.to(latents[0].device), self.choices))

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (*self.latents(count, progress), one_hot(self.chosen(count), self.choices))

    def for_batch(self, batch: Mapping[str, Tensor], count: int, progress: Progress) -> tuple[Tensor, ...]:
        """With `from_batch`, use the classes of the batch, repeated if there are several fakes per real image.

        Repetitions are adjacent, so that the shards of a batch draw what the whole batch would.
        """
        if not self.from_batch:
            return super().for_batch(batch, count, progress)
        classes = batch["label"].repeat_interleave(count // len(batch["label"]))
        return (*self.latents(count, progress), one_hot(classes, self.choices))

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        return (*self.latents.truncated(count, progress, threshold), one_hot(self.chosen(count), self.choices))

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        return self.latents.between(start, end, position)

    def between_by(self, interpolation: Interpolation, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        return self.latents.between_by(interpolation, start, end, position)

    def path(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        return self.latents.path(start, end, position)


class InputImages(Prior):
    """Images for a generator to translate, [count, C, S, S] in [-1, 1]: in training, `input` of the batch.

    Outside training they are drawn with replacement from the test images given to `show`; before that there is one grey
    image. They stay on the host and are not part of the weights. `latent_dim`: the number of values in an image.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__(channels * size**2)
        self.images = torch.full((1, channels, size, size), 128, dtype=torch.uint8)

    def show(self, images: Tensor) -> None:
        """Draw from these images from now on, uint8 [N, C, S, S]."""
        self.images = images

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        rows = per_image(lambda n: torch.randint(len(self.images), (n,), device=self.where.device), count)
        return (to_model_range(self.images[rows.cpu()].to(self.where.device)),)

    def for_batch(self, batch: Mapping[str, Tensor], count: int, progress: Progress) -> tuple[Tensor, ...]:
        inputs = batch["input"]
        return (inputs.repeat_interleave(count // len(inputs), 0) if count != len(inputs) else inputs,)

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        return torch.lerp(start, end, position.view(-1, 1, 1, 1).to(start))


def one_hot(chosen: Tensor, choices: int) -> Tensor:
    """One-hot vectors: integers [B] in 0..choices - 1 -> float32 [B, choices]; deterministic, by comparison."""
    return (chosen[:, None] == torch.arange(choices, device=chosen.device)).float()


def linear(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
    """Linear interpolation, (1 - t) a + t b. start, end: [B, Z]; position: [B] in 0..1."""
    return torch.lerp(start, end, position[:, None].to(start))


def slerp(start: Tensor, end: Tensor, position: Tensor) -> Tensor:
    """Spherical interpolation: [sin((1 - t) w) a + sin(t w) b] / sin(w), w the angle between a and b.

    start, end: [B, Z]; position: [B] in 0..1. A straight line if the two are parallel or opposite, where no unique
    great circle exists. Source: Shoemake 1985, section 3.3; White 2016, arXiv:1609.04468, section 2.1.
    """
    position = position[:, None].to(start)
    cosine = torch.cosine_similarity(start, end, dim=1)[:, None].clamp(-1, 1)
    angle = cosine.arccos()
    sine = angle.sin()
    flat = sine < 1e-6
    safe = torch.where(flat, torch.ones_like(sine), sine)
    curved = (((1 - position) * angle).sin() * start + (position * angle).sin() * end) / safe
    return torch.where(flat, torch.lerp(start, end, position), curved)
