"""Samplers under truncated latents: they share weights, with separate BatchNorm statistics for each truncation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from papergan.errors import RecipeError
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress

BATCHES, BATCH_SIZE = 100, 64  # for the estimate of BatchNorm's statistics
KEPT = 8  # newest truncations whose statistics are kept; each takes only the memory of the buffers


@dataclass(frozen=True)
class _Estimate:
    sampler: Sampler
    steps: Iterator[int]  # exhausted once the statistics are complete


class TruncatedSamplers:
    """Samplers by truncation, of which the newest are kept."""

    def __init__(self, sampler: Sampler, progress: Progress) -> None:
        self._sampler, self._progress = sampler, progress
        self._estimates: dict[float, _Estimate] = {}  # the newest last

    def at(self, truncation: float | None, check: Callable[[], None] = lambda: None) -> Sampler:
        """The sampler for this truncation, BatchNorm's statistics re-estimated once; None = no truncation.

        check: called after every batch of the estimate. If it raises, the next call continues from there.
        Raises RecipeError for a threshold that is not above 0, or a prior that cannot be truncated.
        """
        if truncation is None:
            return self._sampler
        if not truncation > 0:
            raise RecipeError(f"truncation: expected a threshold above 0, got {truncation}")
        estimate = self._estimates.pop(truncation, None) or self._begun(truncation)
        for _ in estimate.steps:
            self._keep(truncation, estimate)
            check()
            del self._estimates[truncation]  # nothing is kept within a batch: if one fails, the estimate starts over
        self._keep(truncation, estimate)
        return estimate.sampler.eval()

    def _keep(self, truncation: float, estimate: _Estimate) -> None:
        self._estimates[truncation] = estimate
        if len(self._estimates) > KEPT:
            del self._estimates[next(iter(self._estimates))]

    def _begun(self, truncation: float) -> _Estimate:
        self._sampler.latents(1, 0, "truncation", progress=self._progress, truncation=truncation)  # may raise
        sampler = copy.deepcopy(self._sampler, {id(weight): weight for weight in self._sampler.parameters()})
        steps = sampler.batch_norm_steps(
            batches=BATCHES, batch_size=BATCH_SIZE, seed=0, progress=self._progress, truncation=truncation
        )
        return _Estimate(sampler, steps)
