"""Measures of a trial's training, in addition to its score card; results as runs to compare with published numbers."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, geometric_mean

from papergan.config.dirac import DiracResult
from papergan.config.mode_stress import ModeResult
from papergan.config.study import MEASURES, TrialResult
from papergan.evaluation.scorecard import ScoreCard
from papergan.metrics.checkerboard import checkerboard
from papergan.metrics.registry import METRICS, prefix_and_metric
from papergan.metrics.stability import late_spread
from papergan.reporting.reproductions import MeasuredRun

TrialMeasure = Callable[[TrialResult], float | None]


def is_intermediate_layer(prefix: str) -> bool:
    """Whether a prefix is that of an extractor's early features ("domain64_"), for which only the FID is shown."""
    return prefix.rstrip("_")[-1:].isdigit()


def is_measure_of(metric: str, name: str) -> bool:
    """Whether `name` is `metric` by some extractor, but not by one of its early layers."""
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
    """The geometric mean of the FID over all evaluations during training: lower for faster training.

    The Inception FID if there is one, else that of the first other extractor.
    """
    names = {name for row in result.history.metrics for name in row if is_measure_of("fid", name)}
    first = sorted(names, key=lambda name: (name != "fid", name))[:1]
    values = [row[name] for name in first for row in result.history.metrics if row.get(name, 0.0) > 0]
    return geometric_mean(values) if values else None


def membership_inference(result: TrialResult) -> float | None:
    """The area under the ROC curve of `membership_auc`; 0.5 if the discriminator remembers nothing."""
    return result.card.final.get("membership_auc")


def copies(result: TrialResult) -> float | None:
    """The copy rate in features of the first extractor. It is about 0.01 without copies, whatever the training set."""
    names = sorted(name for name in result.card.final if is_measure_of("copy_rate", name))
    return result.card.final[names[0]] if names else None


def pixel_copies(result: TrialResult) -> float | None:
    """The copy rate in pixels, like `copies`."""
    return result.card.final.get("pixel_copy_rate")


OF_TRAINING: dict[str, TrialMeasure] = {
    "checkerboard": checkerboard_of_samples, "loss_spread": relative_spread_of_loss,
    "seconds_per_image": seconds_per_image, "fid_on_the_way": fid_on_the_way,
    "membership_auc": membership_inference, "copies": copies, "pixel_copies": pixel_copies,
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


def run_of_card(card: ScoreCard) -> MeasuredRun:
    """The final scores of a training, and those of its best generators ("best_likelihood.parzen_ll_historical").

    None of a training that ended early.
    """
    values, errors = dict[str, float](), dict[str, float]()
    generators = {"": card.final} | {f"best_{which}.": moment.metrics for which, moment in card.best.items()}
    for prefix, scores in {} if card.ended_early else generators.items():
        values |= {f"{prefix}{name}": score for name, score in scores.items()}
        with_error = (name for name in METRICS if name in scores and METRICS[name].deviation in scores)
        errors |= {f"{prefix}{name}": scores[METRICS[name].deviation] for name in with_error}
    diverged = card.diverged is not None
    return MeasuredRun(card.seed, values, errors, card.training_seconds / 60, made_by(card), diverged)


def made_by(card: ScoreCard) -> str:
    """Hardware, versions and commit of a run, as a note."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))
    dirty = " with uncommitted changes" if card.dirty else ""
    return f"{card.hardware}; {versions}; commit {card.commit[:12]}{dirty}"


def run_of_dirac(result: DiracResult) -> MeasuredRun:
    """Real and imaginary parts of the eigenvalues, the spectral radius of a step, and the distance if not diverged."""
    values = {"distance": result.distance} if result.diverged_at is None else {}
    if result.eigenvalues is not None:
        low, high = result.eigenvalues
        values |= {"real_part": high.real, "lower_real_part": low.real, "imaginary_part": high.imaginary}
    if result.step_radius is not None:
        values["step_radius"] = result.step_radius
    return MeasuredRun(0, values, {}, None, "", diverged=result.diverged_at is not None)


def run_of_points(seed: int, result: ModeResult) -> MeasuredRun:
    """Modes, the share of high quality and the divergence after the last step; none if it diverged."""
    last = {} if result.diverged else result.over_time[-1]
    minutes = result.seconds_per_step * result.over_time[-1]["step"] / 60
    made = ", ".join(f"{name} {value}" for name, value in result.provenance.items())
    return MeasuredRun(seed, last, {}, minutes, made, diverged=result.diverged is not None)
