"""Samplers under truncated latents: the weights are shared, BatchNorm's statistics are those of each truncation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from papergan.errors import RecipeError
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress

BATCHES, BATCH_SIZE = 100, 64  # of the estimate of BatchNorm's statistics
KEPT = 8  # truncations whose statistics are kept, the newest; each takes the memory of the buffers alone


@dataclass(frozen=True)
class _Estimate:
    sampler: Sampler
    steps: Iterator[int]  # exhausted once the statistics are complete


class TruncatedSamplers:
    """The sampler for each truncation, of which the newest are kept."""

    def __init__(self, sampler: Sampler, progress: Progress) -> None:
        self._sampler, self._progress = sampler, progress
        self._estimates: dict[float, _Estimate] = {}  # the newest last

    def at(self, truncation: float | None, check: Callable[[], None] = lambda: None) -> Sampler:
        """The sampler for this truncation, BatchNorm's statistics re-estimated once; None = the prior as it is.

        check: called after every batch of the estimate. Where it raises, the next call goes on from there.
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
            del self._estimates[truncation]  # within a batch nothing is kept: what fails there is begun anew
        self._keep(truncation, estimate)
        return estimate.sampler.eval()

    def _keep(self, truncation: float, estimate: _Estimate) -> None:
        self._estimates[truncation] = estimate
        if len(self._estimates) > KEPT:
            del self._estimates[next(iter(self._estimates))]

    def _begun(self, truncation: float) -> _Estimate:
        self._sampler.latents(1, 0, "truncation", progress=self._progress, truncation=truncation)  # refused before
        sampler = copy.deepcopy(self._sampler, {id(weight): weight for weight in self._sampler.parameters()})
        steps = sampler.batch_norm_steps(
            batches=BATCHES, batch_size=BATCH_SIZE, seed=0, progress=self._progress, truncation=truncation
        )
        return _Estimate(sampler, steps)
