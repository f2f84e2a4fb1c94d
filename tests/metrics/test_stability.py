"""What counts as unstable, case by case."""

from __future__ import annotations

import pytest

from papergan.errors import RecipeError
from papergan.metrics.stability import StabilityRule, instability, late_spread

RULE = StabilityRule(after_epoch=5, won_below=0.1, won_for=2, growth=4.0, growth_since=2)


def reports(discriminator: list[float], generator: list[float]) -> list[dict[str, float]]:
    """One report per epoch."""
    return [
        {"epoch": float(epoch), "discriminator.discriminator_loss": d, "generator.generator_loss": g}
        for epoch, (d, g) in enumerate(zip(discriminator, generator, strict=True), 1)
    ]


CALM = [1.0] * 9


@pytest.mark.parametrize(
    ("discriminator", "generator", "fault"),
    [
        (CALM, CALM, None),
        ([0.01] * 5 + [1.0] * 4, CALM, None),  # before epoch 6 nothing counts
        ([1.0] * 5 + [0.01, 1.0, 0.01, 1.0], CALM, None),  # not in a row
        ([1.0] * 6 + [0.09, 0.09, 1.0], CALM, "epoch 8: the discriminator's loss is below 0.1 for 2 epochs"),
        ([1.0] * 4 + [0.01, 0.01, 1.0, 1.0, 1.0], CALM, None),  # one of the two is before
        ([1.0] * 5 + [0.1] * 4, CALM, None),  # not below
        (CALM, [1.0] * 7 + [4.0, 1.0], None),  # not more than four times
        (CALM, [1.0] * 7 + [4.5, 1.0], "epoch 8: the generator's loss is 4.5 times that of epoch 2"),
        (CALM, [9.0, 0.1] + [1.0] * 7, "epoch 6: the generator's loss is 10.0 times"),
        ([1.0] * 5 + [float("nan")] + [1.0] * 3, CALM, "epoch 6: a loss is not finite"),
        (CALM, [1.0] * 8 + [float("inf")], "epoch 9: a loss is not finite"),
        ([-1.0] * 9, CALM, None),  # a critic's: below 0.1 is not won
        ([-1.0] * 5 + [0.01] * 4, CALM, None),
        (CALM, [-1.0] * 9, None),  # no growth
        (CALM, [1.0, 0.0] + [1.0] * 7, None),  # no multiple of zero
        (CALM, [-1.0, 0.01] + [1.0] * 7, None),
    ],
)
def test_cases(discriminator, generator, fault):
    found = instability(reports(discriminator, generator), RULE)
    assert found is None if fault is None else found.startswith(fault)


def test_reports_of_one_epoch_are_averaged():
    early = reports([1.0] * 5, [1.0] * 5)
    name = "discriminator.discriminator_loss"
    late = [
        {"epoch": 5 + e + part, name: loss, "generator.generator_loss": 1.0}
        for e in range(3) for part, loss in ((0.5, 0.0), (1.0, 0.15))
    ]  # fmt: skip
    assert instability([*early, *late], RULE).startswith("epoch 7: the discriminator's loss is below 0.1")


def test_too_short_a_training_shows_nothing():
    assert instability(reports([0.01] * 5, [99.0] * 5), RULE) is None
    assert instability([], RULE) is None


def test_the_rule_is_strict():
    with pytest.raises(RecipeError, match=r"rule: unknown key 'won_bellow'; did you mean 'won_below'"):
        StabilityRule.parse("rule", {"won_bellow": 1.0})
    with pytest.raises(RecipeError, match="growth"):
        StabilityRule.parse("rule", {"growth": 0.5})


def test_the_spread_of_a_loss_is_that_of_its_second_half_and_relative_to_its_range():
    losses = [9.0, 1.0, 2.0, 4.0]
    assert late_spread(losses) == 1.0
    assert late_spread(losses, relative=True) == 1.0 / 8.0
    assert late_spread([10 * one - 500 for one in losses], relative=True) == pytest.approx(1.0 / 8.0)
    assert late_spread([0.0, 10.0, 0.0]) == 5.0  # the second half of three reports has two
    assert late_spread([1.0]) is None
    assert late_spread([2.0] * 4, relative=True) is None
