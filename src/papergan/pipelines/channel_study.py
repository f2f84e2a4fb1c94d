"""The channel study: error rates of systems trained through a GAN of their channel or the channel itself."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from papergan.config.checked import ChannelStudy
from papergan.config.papers import citation
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ChannelTrialStore
from papergan.pipelines.groups import named_node
from papergan.studies.channel import results as channel_results
from papergan.studies.channel.trials import ChannelTrainer
from papergan.studies.named_trials import grouped_named, notes_of, train_named
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.tables import study_page
from papergan.studies.worker import failures
from papergan.tracking import Tracker
from papergan.wireless.baselines import Baseline

NAME = "channel_study"


def train_systems(study: ChannelStudy, trials: ChannelTrialStore, tracker: Tracker) -> dict[str, str]:
    """Run every trial that is not finished, as in `train_named`."""
    return train_named(study.recipe.workers, study.trials, ChannelTrainer(trials), trials, tracker)


def compute_baselines(study: ChannelStudy) -> dict[str, list[Baseline]]:
    """The error rates of uncoded QAM and of the Hamming code over every channel."""
    return channel_results.all_baselines(study.recipe)


def tabulate(
    study: ChannelStudy, trials: ChannelTrialStore, finished: Mapping[str, str], baselines: Mapping[str, list[Baseline]]
) -> Page:
    """The page: error rates of every system over seeds, next to the baselines of its channel."""
    groups = grouped_named(study.trials, trials, finished)
    tables = [
        (
            name.replace("_", " "),
            channel_results.summary(
                [group for group in groups if group.grid == name], baselines[name], one.eb_n0_db
            ),
        )
        for name, one in study.recipe.channels.items()
    ]  # fmt: skip
    return study_page(
        tables, [], f"{study.name}: {study.recipe.description}", _notes(study, groups),
        channel_results.rate_table(groups, baselines), sentences=[" ".join(one) for one in failures(finished).items()],
    )  # fmt: skip


def _notes(study: ChannelStudy, groups: list[channel_results.ChannelGroup]) -> list[str]:
    recipe, (missing, made_by) = study.recipe, notes_of(groups)
    return [
        *missing,
        f"{recipe.bits} bits in {recipe.symbols} complex symbols of mean energy 1; the Hamming code sends its words by "
        f"{'BPSK' if recipe.code_order == 2 else '4-QAM'} in as many; {recipe.blocks} blocks at each Eb / N0; 0: no "
        f"error was seen;{channel_results.FEW}: counted from fewer than {channel_results.LEAST_ERRORS} wrong blocks",
        "mean error: of the generator's mean over noise, relative to the signal; noise ratio: the deviation of its "
        "noise, divided by the true one; both at the Eb / N0 that it was trained at",
        "the receiver knows the taps of every baseline, and as the received pilot those of trained systems: "
        + "; ".join(f"{name}: pilot noise {one.pilot_noise:g}" for name, one in recipe.channels.items()),
        "no error rate of the paper stands here: its curves are pictures; they can be compared in shape only",
        citation(recipe.paper),
        f"{recipe.rounds} rounds of {recipe.channel_steps} steps of the generator, {recipe.transmitter_steps} of the "
        f"transmitter, {recipe.receiver_steps} of the receiver; ± over seeds {', '.join(map(str, recipe.seeds))} "
        "(N - 1)",
        *made_by,
    ]


def draw_error_rates(
    study: ChannelStudy, trials: ChannelTrialStore, finished: Mapping[str, str], baselines: Mapping[str, list[Baseline]]
) -> object:
    """A matplotlib Figure of bit and block error rates over Eb / N0."""
    groups = grouped(NamedGroup, study.trials, trials)
    return channel_results.error_rates(groups, baselines, study.recipe, f"{study.name}: error rates")


def draw_constellations(study: ChannelStudy, trials: ChannelTrialStore, finished: Mapping[str, str]) -> object:
    """A matplotlib Figure of received symbols, from the true channel and from the generator."""
    groups = grouped(NamedGroup, study.trials, trials)
    return channel_results.constellations(groups, f"{study.name}: received QAM of the first seed")


def draw_symbols(study: ChannelStudy, trials: ChannelTrialStore, finished: Mapping[str, str]) -> object:
    """A matplotlib Figure of the symbols that transmitters send."""
    groups = grouped(NamedGroup, study.trials, trials)
    return channel_results.sent_symbols(groups, f"{study.name}: sent symbols of the first seed")


def create_pipeline() -> Pipeline:
    """The pipeline of the channel study. Finished trials are kept: the same command continues."""
    recipe = "params:recipe"
    inputs = [recipe, "trials", "finished"]
    nodes = [
        named_node(train_systems, [recipe, "trials", "tracker"], "finished"),
        named_node(compute_baselines, recipe, "baselines"),
        named_node(tabulate, [*inputs, "baselines"], "page"),
        named_node(draw_error_rates, [*inputs, "baselines"], "error_rates"),
        named_node(draw_constellations, inputs, "constellations"),
        named_node(draw_symbols, inputs, "symbols"),
    ]
    return Pipeline(nodes, namespace=NAME, parameters={recipe: f"params:{NAME}"})
