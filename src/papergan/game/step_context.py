"""The tensors of a turn's optimiser step: real images, latents, fakes, discriminator outputs, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from papergan.game.discriminator_input import RealSource, images_only
from papergan.game.game import DiscriminatorOutput, Game, Match, Side, Turn
from papergan.game.priors import Prior
from papergan.game.schedules import GraphScalars, Progress, Schedule, value

T = TypeVar("T")


class Scores:
    """The scores of one match, computed lazily: a generator loss that ignores `real` does not pay for it."""

    def __init__(self, real: Callable[[], Tensor], fake: Callable[[], Tensor]) -> None:
        self._real, self._fake = real, fake

    @property
    def real(self) -> Tensor:
        """Logits of real images, [B], float32."""
        return self._real()

    @property
    def fake(self) -> Tensor:
        """Logits of generated images, [B], float32."""
        return self._fake()


class StepContext:
    """The tensors of one optimiser step for its terms, each computed on first access, and cached.

    cache: of another turn's context, for a turn that shares its latents, images and scores; None = of its own.
    """

    def __init__(
        self,
        game: Game,
        turn: Turn,
        batch: Mapping[str, Tensor],
        progress: Progress | GraphScalars,
        cache: dict[Hashable, Any] | None = None,
    ) -> None:
        self.game, self.turn, self.batch, self.progress = game, turn, batch, progress
        self._memo = {} if cache is None else cache

    def cached(self, *key: Hashable, compute: Callable[[], T]) -> T:
        """The value of `key`, computed on first access."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]  # type: ignore[no-any-return]

    def network(self, name: str) -> nn.Module:
        """A network by name, or a submodule by its path, "generator.a_to_b"."""
        return self.game.networks.get_submodule(name)

    def value(self, schedule: Schedule) -> float | Tensor:
        """The present value of a schedule: a number, or a device scalar while a CUDA graph is recorded."""
        return value(schedule, self.progress)

    def real(self, match: Match) -> Tensor:
        """Real images, not augmented, [B, C, S, S] in [-1, 1]; R1 takes its gradient here."""

        def given() -> Tensor:
            reals = self._reals(match)
            return self._leaf("real", self.batch[match.real] if reals is None else reals.images(self))

        return self.cached("real", match.real, compute=given)

    def labels(self, match: Match) -> Tensor:
        """The classes of the real images, int64 [B]."""
        reals = self._reals(match)
        return self.batch["label"] if reals is None else reals.labels(self)

    def latent(self, match: Match) -> tuple[Tensor, ...]:
        """The generator's arguments: latents drawn by a prior, or a batch entry if the source is a key of the batch."""

        def sample_latents() -> tuple[Tensor, ...]:
            if match.source in self.batch:
                return (self.batch[match.source],)
            count = len(self.batch[match.real]) * self.turn.fakes_per_real
            prior = self.network(match.source)
            if isinstance(prior, Prior):
                return prior.for_batch(self.batch, count, self.progress)  # type: ignore[arg-type]
            latents: tuple[Tensor, ...] = prior(count, self.progress)
            return latents

        return self.cached("latent", match.source, compute=sample_latents)

    def fake(self, match: Match) -> Tensor:
        """Generated images G(z), float32 [B, C, S, S] in [-1, 1], before augmentation.

        In float32 whatever the precision of the networks: augmentation must not treat fakes more coarsely than reals.
        """

        def generate() -> Tensor:
            return self._leaf("fake", self.network(match.generator)(*self.latent(match)).float())

        return self.cached("fake", match.generator, match.source, compute=generate)

    def augmented_real(self, match: Match) -> Tensor:
        """Augmented real images, the input of the discriminator."""
        return self.cached("augmented", match.real, compute=lambda: self.augmented(self.real(match)))

    def augmented_fake(self, match: Match) -> Tensor:
        """Augmented generated images, the input of the discriminator, with the gradient through the augmentation."""
        key = ("augmented", match.generator, match.source)
        return self.cached(*key, compute=lambda: self.augmented(self.fake(match)))

    def input_real(self, match: Match) -> tuple[Tensor, ...]:
        """The discriminator's arguments for the real side of the match, augmented."""
        return (match.discriminator_input or images_only).real(self, match)

    def input_fake(self, match: Match) -> tuple[Tensor, ...]:
        """The discriminator's arguments for the generated side of the match, augmented."""
        return (match.discriminator_input or images_only).fake(self, match)

    def discriminated_real(self, match: Match) -> DiscriminatorOutput:
        """The discriminator's output for the real side of the match."""
        return self.cached(
            "discriminated real", match, compute=lambda: self._discriminate_side("real", match, self.input_real)
        )

    def discriminated_fake(self, match: Match) -> DiscriminatorOutput:
        """The discriminator's output for the generated side of the match."""
        return self.cached(
            "discriminated fake", match, compute=lambda: self._discriminate_side("fake", match, self.input_fake)
        )

    def discriminate(self, match: Match, *inputs: Tensor) -> DiscriminatorOutput:
        """The discriminator's output for any input, scores in float32 whatever the precision of the networks."""
        output: DiscriminatorOutput = self.network(match.discriminator)(*inputs)
        return output._replace(score=output.score.float())

    def scores(self, match: Match) -> Scores:
        """The logits of both sides, computed lazily."""
        return Scores(lambda: self.discriminated_real(match).score, lambda: self.discriminated_fake(match).score)

    def _reals(self, match: Match) -> RealSource | None:
        return self.game.reals if match.real == self.game.showcase.real else None

    def augmented(self, images: Tensor) -> Tensor:
        """Images [B, C, S, S], in the batch's order, as a discriminator sees them; with the augmentation's gradient."""
        return images if self.game.augment is None else self.game.augment(images)

    def _leaf(self, side: Side, images: Tensor) -> Tensor:
        if side in self.turn.differentiated and not images.requires_grad:
            return images.detach().requires_grad_()
        return images

    def _discriminate_side(
        self, side: Side, match: Match, inputs: Callable[[Match], tuple[Tensor, ...]]
    ) -> DiscriminatorOutput:
        """The discriminator's output for one side, in float32 if a term takes the gradient in this side's images."""
        given = inputs(match)  # the networks that make these keep their precision
        if side not in self.turn.differentiated:
            return self.discriminate(match, *given)
        with torch.autocast(self.game.device.type, enabled=False):
            return self.discriminate(match, *given)
