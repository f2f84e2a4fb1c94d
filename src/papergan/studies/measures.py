"""Measures of a trial from its training, in addition to the score card."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, geometric_mean

from papergan.config.mode_stress import ModeResult
from papergan.config.study import MEASURES, TrialResult
from papergan.metrics.checkerboard import checkerboard
from papergan.metrics.registry import METRICS, prefix_and_metric
from papergan.metrics.stability import late_spread

TrialMeasure = Callable[[TrialResult], float | None]


def is_intermediate_layer(prefix: str) -> bool:
    """Whether a prefix is of early features of another extractor ("domain64_"), of which only the FID is shown."""
    return prefix.rstrip("_")[-1:].isdigit()


def is_measure_of(metric: str, name: str) -> bool:
    """Whether `name` is `metric` by some extractor, and not by an early layer of one."""
    found = prefix_and_metric(name)
    return found is not None and found[1] is METRICS[metric] and not is_intermediate_layer(found[0])


def seconds_per_image(result: TrialResult) -> float | None:
    """Training time per image, in seconds."""
    return result.card.training_seconds / result.card.images_seen if result.card.images_seen else None


def sampling_seconds(result: TrialResult) -> float | None:
    """Sampling time of one image by the exported generator, in seconds."""
    return result.card.sampling_seconds


def player_losses(result: TrialResult, player: str, *, adversarial: bool = False) -> list[tuple[float, float]]:
    """(epoch, loss) of every report: the sum of a player's weighted terms, or its adversarial loss alone."""
    found = []
    for row in result.history.losses:
        terms = {name for name in row if name.startswith(f"{player}.")} - {f"{player}.gradient_norm"}
        counted = terms & {f"{player}.{player}_loss"} if adversarial else terms
        if counted:
            found.append((row["epoch"], sum(row[name] for name in counted)))
    return found


def spread_of_loss(result: TrialResult) -> float | None:
    """The standard deviation of the discriminator's loss, all terms, over the second half of training."""
    return late_spread([loss for _, loss in player_losses(result, "discriminator")])


def relative_spread_of_loss(result: TrialResult) -> float | None:
    """`spread_of_loss` divided by the range of all losses, comparable between losses."""
    return late_spread([loss for _, loss in player_losses(result, "discriminator")], relative=True)


def checkerboard_of_samples(result: TrialResult) -> float | None:
    """The checkerboard measure of the kept samples; None for sizes at which it is not defined."""
    fits = result.samples is not None and result.samples.shape[-1] % 2 == 0 and result.samples.shape[-1] >= 8
    return checkerboard(result.samples) if result.samples is not None and fits else None


def fid_on_the_way(result: TrialResult) -> float | None:
    """The geometric mean of the FID over all evaluations during training: lower for faster training."""
    names = {name for row in result.history.metrics for name in row if is_measure_of("fid", name)}
    values = [row[name] for name in sorted(names)[:1] for row in result.history.metrics if row.get(name, 0.0) > 0]
    return geometric_mean(values) if values else None


OF_TRAINING: dict[str, TrialMeasure] = {
    "checkerboard": checkerboard_of_samples, "loss_spread": relative_spread_of_loss,
    "seconds_per_image": seconds_per_image, "fid_on_the_way": fid_on_the_way,
}  # fmt: skip
assert set(OF_TRAINING) == set(MEASURES)


def last_value(name: str) -> Callable[[ModeResult], float]:
    """A measure of the modes after the last step, by name."""
    return lambda result: result.over_time[-1][name]


def second_half_mean(name: str) -> Callable[[ModeResult], float]:
    """The mean of a measure over the second half of training, which is robust to oscillation."""
    return lambda result: fmean(row[name] for row in result.over_time[len(result.over_time) // 2 :])


def spread_of_points_loss(result: ModeResult) -> float | None:
    """The deviation of D's loss over the second half of training, divided by the range of all losses."""
    losses = [
        sum(v for k, v in row.items() if k.startswith("discriminator.") and not k.endswith("gradient_norm"))
        for row in result.losses
    ]
    return late_spread(losses, relative=True)


def seconds_per_step(result: ModeResult) -> float:
    """Training time per step, in seconds."""
    return result.seconds_per_step
