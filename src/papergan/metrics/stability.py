"""Stability of a training run: the epoch in which it becomes unstable, and the spread of its losses.

song2023, section 3.1: its hyperparameter "is incremented by 1 until no instability problem occurs beyond epoch 30".
The paper does not define instability; the numerical rule is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from statistics import fmean, pstdev
from typing import Annotated

from pydantic import Field

from papergan.training.history import Row
from papergan.validation import Amount, Positive, StrictModel


class StabilityRule(StrictModel):
    """The rule by which a training run counts as unstable.

    after_epoch: epochs up to this one do not count. Losses are only the adversarial ones, averaged over an epoch.

    A training run is unstable if, in later epochs, a loss is not finite; or the discriminator's is below `won_below` in
    `won_for` epochs in a row, so that the generator learns nothing; or the generator's is more than `growth` times its
    value in epoch `growth_since`. The last two are for losses bounded below by zero: they do not apply to a loss that
    is negative in any epoch, such as a critic's, nor does the last one where the earlier loss is zero.
    """

    after_epoch: Positive = 30
    won_below: Amount = 0.05
    won_for: Positive = 3
    growth: Annotated[float, Field(gt=1, le=1e6)] = 5.0
    growth_since: Positive = 10


def instability(losses: Sequence[Row], rule: StabilityRule) -> str | None:
    """The first instability and its epoch; None if there is none.

    losses: reports with a fractional `epoch`, "discriminator.discriminator_loss" and "generator.generator_loss".
    """
    discriminator = _by_epoch(losses, "discriminator.discriminator_loss")
    generator = _by_epoch(losses, "generator.generator_loss")
    before = generator.get(rule.growth_since)
    can_win, can_grow = (not any(value < 0 for value in one.values()) for one in (discriminator, generator))
    won = 0
    for epoch in sorted(set(discriminator) | set(generator)):
        if epoch <= rule.after_epoch:
            continue
        mine, theirs = discriminator.get(epoch, 0.0), generator.get(epoch, 0.0)
        if not (isfinite(mine) and isfinite(theirs)):
            return f"epoch {epoch}: a loss is not finite"
        won = won + 1 if can_win and epoch in discriminator and mine < rule.won_below else 0
        if won >= rule.won_for:
            return f"epoch {epoch}: the discriminator's loss is below {rule.won_below:g} for {won} epochs"
        if can_grow and before and theirs > rule.growth * before:
            return (
                f"epoch {epoch}: the generator's loss is {theirs / before:.1f} times that of epoch {rule.growth_since}"
            )
    return None


def _by_epoch(losses: Sequence[Row], name: str) -> dict[int, float]:
    """Means of all reports of an epoch, from 1."""
    by_epoch = reports_by_epoch([row for row in losses if name in row])
    return {epoch: fmean(row[name] for row in rows) for epoch, rows in by_epoch.items()}


def reports_by_epoch(reports: Sequence[Row]) -> dict[int, list[Row]]:
    """Reports by the epoch in which their last batch was drawn, from 1; they have a fractional `epoch`."""
    found: dict[int, list[Row]] = {}
    for row in reports:
        found.setdefault(max(1, ceil(row["epoch"] - 1e-9)), []).append(row)
    return found


def late_spread(losses: Sequence[float], *, relative: bool = False) -> float | None:
    """The standard deviation of a loss over the second half of its reports; None for fewer than two.

    relative: divided by the range of all reports, from the least to the greatest, so that losses of different scale or
    offset can be compared; None if all are the same.
    """
    late = losses[len(losses) // 2 :]
    if len(late) < 2:
        return None
    size = max(losses) - min(losses) if relative else 1.0
    return pstdev(late) / size if size else None
