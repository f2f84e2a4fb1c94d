"""Ranks of measured values: those closer than their noise share a rank."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from papergan.metrics.registry import Metric, is_better
from papergan.reporting.seed_groups import Measured

SIGMAS = 2.0


def ranks(metric: Metric, values: Sequence[Measured]) -> list[str]:
    """The rank of each value: "2", or "1-3" where it is not separated from others; "" for none.

    i stands behind j where j is better by more than 2 sqrt(d_i^2 + d_j^2), d their standard deviations: a rank is
    1 + how many it stands behind, up to the last place that nothing separates it from. The deviation over seeds takes
    in training; over splits or the choice of samples it only takes in sampling, so such ranks are still generous.
    No ranks for fewer than two values, values without deviation, and metrics of which no value is best in itself.
    """
    if len(values) < 2 or metric.better == "real" or any(value.deviation is None for value in values):
        return ["" for _ in values]
    return [_rank(metric, values, place) for place in range(len(values))]


def _rank(metric: Metric, values: Sequence[Measured], place: int) -> str:
    mine = values[place]
    others = [other for index, other in enumerate(values) if index != place]
    first = 1 + sum(_ahead(metric, other, mine) for other in others)
    last = len(values) - sum(_ahead(metric, mine, other) for other in others)
    return str(first) if first == last else f"{first}-{last}"


def _ahead(metric: Metric, one: Measured, other: Measured) -> bool:
    noise = SIGMAS * hypot(one.deviation or 0.0, other.deviation or 0.0)
    return is_better(metric, one.value, other.value) and abs(one.value - other.value) > noise
