"""Latents of clips (content, motion and category), and the one frame of a clip that an image discriminator sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from papergan.game.game import Match, Side
from papergan.game.priors import Gaussian, one_hot, slerp
from papergan.game.schedules import Progress
from papergan.game.sharding import per_image
from papergan.game.step_context import StepContext
from papergan.objectives.mutual_information import WithCategory


class ClipParts(NamedTuple):
    """The parts of latents of clips of T frames.

    content: [B, C], one per clip. motion: [B, T + 1, M]; [:, 0] is the initial state of the motion, [:, 1 + t] the
    noise of frame t, counted from 0. category: one-hot [B, K]; [B, 0] where there are no categories.
    """

    content: Tensor
    motion: Tensor
    category: Tensor


@dataclass(frozen=True)
class ClipLayout:
    """Where content, motion and category lie in a latent of a clip: [B, content + (frames + 1) * motion + categories].

    content, motion: sizes of a content code, and of the motion noise of each frame. frames: of a clip. categories: 0 =
    none. The initial state of the motion comes before the noise of the first frame.
    """

    content: int
    motion: int
    frames: int
    categories: int = 0

    @property
    def gaussian(self) -> int:
        """How many numbers are N(0, 1): all but the category."""
        return self.content + (self.frames + 1) * self.motion

    @property
    def latent_dim(self) -> int:
        return self.gaussian + self.categories

    def split(self, latents: Tensor) -> ClipParts:
        """The parts of latents [B, latent_dim]."""
        sizes = [self.content, self.gaussian - self.content, self.categories]
        content, motion, category = torch.split(latents, sizes, dim=1)
        return ClipParts(content, torch.unflatten(motion, 1, (self.frames + 1, self.motion)), category)

    def join(self, parts: ClipParts) -> Tensor:
        """The latents [B, latent_dim] of these parts; the inverse of `split`."""
        return torch.cat([parts.content, parts.motion.flatten(1), parts.category], dim=1)

    def crossed(self, latents: Tensor) -> Tensor:
        """Every content of `latents` [B, latent_dim] with every motion, [B * B, latent_dim]; motions change fastest.

        All have the category of the first, so that nothing but content and motion differs.
        """
        parts, count = self.split(latents), len(latents)
        category = parts.category[:1].expand(count * count, -1)
        return self.join(
            ClipParts(parts.content.repeat_interleave(count, 0), parts.motion.repeat(count, 1, 1), category)
        )


class ClipLatents(WithCategory):
    """Content and motion ~ N(0, I) and a uniform category in one latent, float32 [count, layout.latent_dim].

    Only content and motion are truncated. Interpolation is spherical for these and linear between categories. Source:
    Tulyakov et al. 2018 (MoCoGAN, arXiv:1707.04993), section 3; the initial state of the motion is drawn as well, as
    in the authors' code.
    """

    def __init__(self, layout: ClipLayout) -> None:
        super().__init__(layout.latent_dim)
        self.layout, self.noise = layout, Gaussian(layout.gaussian)

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return self._with_category(*self.noise(count, progress))

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        return self._with_category(*self.noise.truncated(count, progress, threshold))

    def between(self, start: Tensor, end: Tensor, position: Tensor) -> Tensor:
        size = self.layout.gaussian
        noise = slerp(start[:, :size], end[:, :size], position)
        return torch.cat([noise, torch.lerp(start[:, size:], end[:, size:], position[:, None].to(start))], dim=1)

    def category(self, latents: Tensor) -> Tensor:
        """The category of these latents, one-hot [B, K]."""
        return self.layout.split(latents).category

    def _with_category(self, noise: Tensor) -> tuple[Tensor, ...]:
        choices = self.layout.categories
        if choices == 0:
            return (noise,)
        chosen = per_image(lambda n: torch.randint(choices, (n,), device=noise.device), len(noise))
        return (torch.cat([noise, one_hot(chosen, choices)], dim=1),)


class ClipGenerator(nn.Module):
    """The base class of generators of clips. layout: of their latents, used to exchange content and motion."""

    layout: ClipLayout


def frame_of(clips: Tensor, places: Tensor, frames: int) -> Tensor:
    """One frame of each clip: clips [B, T * C, S, S] and places int64 [B] in 0..T - 1 -> [B, C, S, S].

    Reads nothing back from the device.
    """
    apart = torch.unflatten(clips, 1, (frames, clips.shape[1] // frames))
    wanted = places.view(-1, 1, 1, 1, 1).expand(-1, 1, *apart.shape[2:])
    return apart.gather(1, wanted).squeeze(1)


@dataclass(frozen=True)
class OneFrame:
    """The input of an image discriminator: one frame of each clip, drawn uniformly in every optimiser step.

    The frames of real and of generated clips are drawn independently of each other and, like every draw of a step, as
    a function of the step's seed. Source: Tulyakov et al. 2018 (MoCoGAN, arXiv:1707.04993), section 3, S_1.
    """

    images_per_score: ClassVar[int] = 1

    frames: int

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return self._frame(context, match, "real", context.augmented_real(match))

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return self._frame(context, match, "fake", context.augmented_fake(match))

    def _frame(self, context: StepContext, match: Match, side: Side, clips: Tensor) -> tuple[Tensor, ...]:
        def draw() -> Tensor:
            return per_image(lambda n: torch.randint(self.frames, (n,), device=clips.device), len(clips))

        return (frame_of(clips, context.cached("frame", side, match, compute=draw), self.frames),)
