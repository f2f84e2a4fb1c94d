"""Probabilities of augmentation: one that follows the discriminator's overfitting, one that follows a schedule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.game import Game, Match, Turn
from papergan.game.schedules import Progress, Schedule, value
from papergan.game.sharding import batch_mean, global_count
from papergan.game.step_context import StepContext


class AugmentationProbability(nn.Module):
    """The controller of ADA: p rises while D's logits on real images are too often positive, and falls otherwise.

    r_t = E[sign D(x)] over `interval` steps of the discriminator; then p <- clip(p + sign(r_t - target) n / images)
    to 0..1, with n the real images of the interval: `images` of them take p from 0 to 1. Stays on the device.
    Source: Karras et al. 2020, arXiv:2006.06676, section 3.2 (target 0.6, interval 4, 500 000 images). The authors'
    code clips p only at 0, here it is clipped at 1 too. A turn of lazy regularisation is no step of p in either; there
    its signs enter the mean, here they do not. The zero of critics and energies is arbitrary, so that r_t is less
    informative for them than for logits, which the paper has.
    """

    on_device = True
    p: Tensor
    signs: Tensor
    steps: Tensor

    def __init__(
        self, *, initial: float = 0.0, target: float = 0.6, interval: int = 4, images: float = 500_000.0,
        match: Match | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not (0.0 <= initial <= 1.0 and -1.0 < target < 1.0 and interval >= 1 and images > 0):
            raise ValueError(
                f"adaptive augmentation needs a probability in 0..1, a target in (-1, 1), an interval of 1 or more and "
                f"images above 0, got {initial}, {target}, {interval} and {images}"
            )
        self.target, self.interval, self.images, self.match = target, interval, images, match or Match()
        for name, start in (("p", initial), ("signs", 0.0), ("steps", 0.0)):
            self.register_buffer(name, torch.tensor(start, dtype=torch.float64))

    def forward(self, progress: Progress) -> Tensor:
        """p, a float32 scalar."""
        return self.p.float()

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Count the signs of the discriminator's logits after its steps, and update p at the end of an interval."""
        if context.turn is not self.training_turn(context.game):
            return
        scores = context.discriminated_real(self.match).score
        self.signs.add_(batch_mean(scores.sign().double()))
        self.steps.add_(1.0)
        due = (self.steps == self.interval).double()
        rate = global_count(len(scores)) * self._images_per_score * self.interval / self.images
        self.p.add_(due * rate * (self.signs / self.interval - self.target).sign()).clamp_(0.0, 1.0)
        self.signs.mul_(1.0 - due)
        self.steps.mul_(1.0 - due)

    @property
    def _images_per_score(self) -> int:
        given = self.match.discriminator_input
        return 1 if given is None else given.images_per_score

    def training_turn(self, game: Game) -> Turn | None:
        """The turn that trains the discriminator of the match: the first one; those that follow regularise it."""
        return next((t for t in game.turns if self.match.discriminator in game.players[t.player].networks), None)

    def report(self) -> dict[str, Tensor]:
        """The value of p."""
        return {"p": self.p.float()}


class ScheduledProbability(nn.Module):
    """An augmentation probability that follows a schedule of the training progress; p is that of the previous step."""

    on_device = True
    p: Tensor

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.register_buffer("p", torch.tensor(float(value(schedule, Progress(0, 0)))))

    def forward(self, progress: Progress) -> Tensor:
        """p, a float32 scalar."""
        return self.p

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Set p to the schedule's current value."""
        now = context.value(self.schedule)
        self.p.copy_(now) if isinstance(now, Tensor) else self.p.fill_(now)

    def report(self) -> dict[str, Tensor]:
        """The value of p."""
        return {"p": self.p}
