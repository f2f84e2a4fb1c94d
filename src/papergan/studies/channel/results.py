"""Tables and figures of the channel study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from papergan.config.channel_study import BIT_ERRORS, BLOCK_ERRORS, ChannelResult, ChannelStudyRecipe, ChannelTrial
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import with_deviation
from papergan.reporting.seed_groups import Measured, mean_over
from papergan.studies.seed_groups import NamedGroup
from papergan.wireless.baselines import Baseline, baselines

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ChannelGroup = NamedGroup[ChannelTrial, ChannelResult]

SHOWN = 4  # values of Eb / N0 in a table, at most
LEAST_ERRORS = 30  # wrong blocks; with fewer, a rate is marked: its relative deviation is above 18 %
FEW = " (few)"  # the mark
LEVELS = {BIT_ERRORS: 1e-3, BLOCK_ERRORS: 1e-2}  # rates whose Eb / N0 is in the table
SYMBOLS = {BIT_ERRORS: "BER", BLOCK_ERRORS: "BLER"}
WAYS = {"generator": "trained through the generator", "true_channel": "trained through the true channel"}


def all_baselines(recipe: ChannelStudyRecipe) -> dict[str, list[Baseline]]:
    """The baselines of every channel."""
    return {
        name: baselines(
            one.model(), recipe.bits, recipe.symbols, recipe.code_order, one.eb_n0_db, min(recipe.blocks, 200_000)
        )
        for name, one in recipe.channels.items()
    }


def summary(groups: Sequence[ChannelGroup], lines: Sequence[Baseline], grid: Sequence[float]) -> pd.DataFrame:
    """A row per system and baseline of a channel: error rates at a few Eb / N0, and where they reach `LEVELS`."""
    import pandas as pd

    every = max(1, math.ceil(len(grid) / SHOWN))
    shown = [value for place, value in enumerate(reversed(grid)) if place % every == 0][::-1]
    rows = []
    for group in groups:
        row = {"system": WAYS[group.trial.through]}
        for which, symbol in SYMBOLS.items():
            row |= {
                f"{symbol} {value:g} dB": _counted(
                    with_deviation(group.over(lambda one: rate_at(one, which, value))),  # noqa: B023
                    group.over(lambda one: rate_at(one, "block_errors", value)),  # noqa: B023
                )
                for value in shown
            }
            row[_crossing_label(which)] = with_deviation(
                group.over(lambda one: crossing(*curve_of(one, which), LEVELS[which]))  # noqa: B023
            )
        row["mean error"] = with_deviation(group.over(lambda one: one.over_time[-1].get("mean_error")))
        row["noise ratio"] = with_deviation(group.over(lambda one: one.over_time[-1].get("deviation_ratio")))
        row["flags"] = group.flags
        rows.append(row)
    for name in dict.fromkeys(line.name for line in lines):
        mine = [line for line in lines if line.name == name]
        row = {"system": f"{name} ({'simulated' if mine[0].blocks else 'closed form'})"}
        errors = {one.eb_n0_db: Measured(one.blocks * (one.block or 0.0), None, 1) for one in mine if one.blocks}
        for which, symbol in SYMBOLS.items():
            rates = {line.eb_n0_db: line.bit if which == BIT_ERRORS else line.block for line in mine}
            known = {at: rate for at, rate in rates.items() if rate is not None}
            row |= {
                f"{symbol} {value:g} dB": _counted(text(known.get(value)), errors.get(value)) for value in shown
            }  # fmt: skip
            row[_crossing_label(which)] = text(crossing(list(known), list(known.values()), LEVELS[which]))
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _counted(cell: str, errors: Measured | None) -> str:
    """The text of a rate, marked if it was estimated from few errors. errors: wrong blocks; None in closed form."""
    return cell + FEW if errors is not None and errors.value * errors.runs < LEAST_ERRORS else cell


def _crossing_label(which: str) -> str:
    return f"dB at {SYMBOLS[which]} {LEVELS[which]:g}"


def curve_of(result: ChannelResult, which: str) -> tuple[list[float], list[float]]:
    """Eb / N0, in dB, and error rates of a result."""
    return [row["eb_n0_db"] for row in result.curve], [row[which] for row in result.curve]


def rate_at(result: ChannelResult, which: str, eb_n0_db: float) -> float | None:
    """An error rate of a result at an Eb / N0 of its curve."""
    return next((row[which] for row in result.curve if row["eb_n0_db"] == eb_n0_db), None)


def crossing(eb_n0_db: Sequence[float], rates: Sequence[float], level: float) -> float | None:
    """The Eb / N0, in dB, at which error rates fall below a level; their logarithm is interpolated. None: nowhere."""
    for (left, high), (right, low) in pairwise(zip(eb_n0_db, rates, strict=True)):
        if high >= level > low > 0:
            return left + (right - left) * math.log(high / level) / math.log(high / low)
        if high >= level > low:
            return right  # no errors were counted there
    return None


def rate_table(groups: Sequence[ChannelGroup], lines: Mapping[str, Sequence[Baseline]]) -> pd.DataFrame:
    """A row for every system, seed and Eb / N0, and for every baseline."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "channel": group.trial.channel, "system": group.trial.through, "seed": seed, "diverged": result.diverged,
            **row, "seconds_per_step": result.seconds_per_step, **result.provenance,
        }
        for group in groups
        for seed, result in group.done
        for row in result.curve or [{}]
    ]  # fmt: skip
    rows += [
        {
            "channel": channel, "system": line.name, "eb_n0_db": line.eb_n0_db, BIT_ERRORS: line.bit,
            BLOCK_ERRORS: line.block,
        }
        for channel, found in lines.items()
        for line in found
    ]  # fmt: skip
    return pd.DataFrame(rows)


def error_rates(
    groups: Sequence[ChannelGroup], lines: Mapping[str, Sequence[Baseline]], recipe: ChannelStudyRecipe, title: str
) -> Figure:
    """Bit and block error rates over Eb / N0, a row of panels per channel; means over seeds, baselines dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4 * len(recipe.channels)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(recipe.channels), 2, squeeze=False)
    names = dict.fromkeys(line.name for found in lines.values() for line in found)
    colours = {name: f"C{place}" for place, name in enumerate(names, len(WAYS))}
    for row, channel in zip(panels, recipe.channels, strict=True):
        mine = [group for group in groups if group.grid == channel]
        for axes, which in zip(row, SYMBOLS, strict=True):
            _rates(axes, mine, lines[channel], which, colours)
            axes.set(title=channel.replace("_", " "), xlabel="Eb / N0, dB", ylabel=f"{which.replace('_', ' ')}")
            axes.grid(alpha=0.3, which="both")
            axes.legend(fontsize="x-small")
    return figure


def _rates(
    axes: Axes, groups: Sequence[ChannelGroup], lines: Sequence[Baseline], which: str, colours: Mapping[str, str]
) -> None:  # fmt: skip
    smallest = 1.0
    for name in dict.fromkeys(line.name for line in lines):
        rates = {
            line.eb_n0_db: rate
            for line in lines
            if line.name == name and (rate := line.bit if which == BIT_ERRORS else line.block)
        }
        if rates:
            axes.semilogy(rates.keys(), rates.values(), "--", color=colours[name], label=name, linewidth=1)
    for place, group in enumerate(groups):
        grid = sorted({row["eb_n0_db"] for result in group.results for row in result.curve})
        found = {at: mean.value for at in grid if (mean := _mean_at(group, which, at)) is not None and mean.value > 0}
        smallest = min([smallest, *found.values()])
        axes.semilogy(
            found.keys(), found.values(), "o-", color=f"C{place}", label=WAYS[group.trial.through], markersize=4
        )
    axes.set_ylim(smallest / 3, 1)


def _mean_at(group: ChannelGroup, which: str, eb_n0_db: float) -> Measured | None:
    return mean_over(rate_at(result, which, eb_n0_db) for result in group.results if not result.diverged)


def constellations(groups: Sequence[ChannelGroup], title: str) -> Figure:
    """QAM received through the true channel and the generator, two rows per channel, a column per draw of taps.

    Shown for the first seed that finished; colours are sent symbols.
    """
    from matplotlib.figure import Figure

    found = [(group, result.constellations) for group, result in _first_ended(groups) if result.constellations]
    columns = max((len(constellations) for _, constellations in found), default=1)
    figure = Figure(figsize=(3 * columns, 6 * max(1, len(found)) + 0.5), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(2 * max(1, len(found)), columns, squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    for place, (group, constellations) in enumerate(found):
        for column, (name, points) in enumerate(constellations.items()):
            limit = 1.15 * max(abs(x) for row in points["real"] for pair in row for x in pair)
            for row, which in enumerate(("real", "generated")):
                axes = panels[2 * place + row, column]
                axes.set_visible(True)
                _points(axes, points[which], limit)
                axes.set_title(f"{group.grid.replace('_', ' ')}, {which}\n{name}", fontsize="x-small")
    return figure


def _first_ended(groups: Sequence[ChannelGroup]) -> list[tuple[ChannelGroup, ChannelResult]]:
    return [(group, found[1]) for group in groups if (found := group.first_ended) is not None]


def _points(axes: Axes, points: Sequence[Sequence[Sequence[float]]], limit: float) -> None:
    drawn = [(x, y, f"C{number % 10}") for number, cloud in enumerate(points) for x, y in cloud]
    axes.scatter([x for x, _, _ in drawn], [y for _, y, _ in drawn], s=4, c=[colour for *_, colour in drawn], alpha=0.7)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.tick_params(labelsize="xx-small")


def sent_symbols(groups: Sequence[ChannelGroup], title: str) -> Figure:
    """The symbols that transmitters send: rows are systems, columns are positions in a block, colours are messages.

    Shown for the first seed that finished.
    """
    from matplotlib.figure import Figure

    found = _first_ended(groups)
    columns = max((len(result.sent[0]) for _, result in found), default=1)
    figure = Figure(figsize=(1.7 * columns, 1.9 * max(1, len(found)) + 0.5), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(max(1, len(found)), columns, squeeze=False)
    for row, (group, result) in zip(panels, found, strict=False):
        sent = result.sent
        limit = 1.15 * max(abs(x) for block in sent for pair in block for x in pair)
        for place, axes in enumerate(row):
            _points(axes, [[block[place]] for block in sent], limit)
            axes.set_title(f"symbol {place + 1}", fontsize="xx-small")
        row[0].set_ylabel(
            f"{group.grid.replace('_', ' ')},\n{group.trial.through.replace('_', ' ')}", fontsize="xx-small"
        )
    return figure
