"""A pool of earlier generated images, some of which a discriminator is shown instead of new ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.game import Match
from papergan.game.schedules import Progress
from papergan.game.sharding import all_gather, first_row
from papergan.game.step_context import StepContext


class ImagePool(nn.Module):
    """The newest generated images and some earlier ones; a controller, so that checkpoints include it.

    The first `capacity` images are shown and kept. After that, each image is shown itself, or, with probability 1/2,
    replaces a random image of the pool, which is shown instead.
    Source: Shrivastava et al. 2017 (arXiv:1612.07828), section 2.3, as in Zhu et al. 2017 (arXiv:1703.10593), with a
    capacity of 50.
    """

    images: Tensor

    def __init__(self, capacity: int, channels: int, size: int) -> None:
        super().__init__()
        self.capacity, self.filled = capacity, 0
        self.register_buffer("images", torch.zeros(capacity, channels, size, size))

    @torch.no_grad()
    def exchanged(self, images: Tensor) -> Tensor:
        """The images to show instead of new images [B, C, S, S], float32; all ranks share one pool."""
        whole, shown = all_gather(images.detach().float()), []
        for image in whole:
            if self.filled < self.capacity:
                self.images[self.filled] = image
                self.filled += 1
                shown.append(image)
                continue
            old = torch.rand((), device=image.device) < 0.5
            place = torch.randint(self.capacity, (1,), device=image.device)
            kept = self.images.index_select(0, place)[0]
            shown.append(torch.where(old, kept, image))
            self.images.index_copy_(0, place, torch.where(old, image, kept)[None])
        first = first_row(len(images))
        return torch.stack(shown[first : first + len(images)])

    def forward(self, progress: Progress) -> float:
        """The number of images kept."""
        return float(self.filled)

    def observe(self, player: str, context: StepContext) -> None:
        """Do nothing: images arrive through `exchanged`."""

    def report(self) -> dict[str, Tensor]:
        """Empty."""
        return {}

    def get_extra_state(self) -> Tensor:
        """The number of images kept; part of `state_dict`."""
        return torch.tensor(self.filled)

    def set_extra_state(self, state: Tensor) -> None:
        """Set the number of images kept."""
        self.filled = int(state)


class Pooled:
    """The input of a discriminator in its own turn: real images, and generated ones through a pool."""

    images_per_score = 1

    def __init__(self, pool: ImagePool) -> None:
        self.pool = pool

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return (context.augmented_real(match),)

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        key = ("pooled", match.generator, match.source)
        return (context.cached(*key, compute=lambda: self.pool.exchanged(context.augmented_fake(match))),)
