"""Times the training of a game: `python benchmarks/throughput.py --experiment hybrid_cifar10`.

Images per second of the training loop as it really runs (batches, every turn, average, logging), the time that each
part of a step takes, and the share of what the device can do. `--set training.precision=bfloat16 overrides.width=16`
changes the recipe; `--json FILE` keeps the results, `--compare FILE` compares them with earlier ones, and
`--figures FILE` uses stored ones instead of measuring. Prints Markdown. `--loop-only` measures rate, memory and FLOPs.
Several ranks: `torchrun --nproc-per-node 2 benchmarks/throughput.py --loop-only --set training.devices=2`.

Parts are timed one by one, waiting for the device after each, so they add up to slightly more than a step; a turn
counts as often as it is taken. Kernels count individually, even if a recorded CUDA graph launches all at once.
"penalties" is the time that turns save without gradient penalty and R1, "host" the time that the host spends in Python
and dispatch: both are parts of the turns, as is the check for non-finite values. "logging" is the meter and the
reports. FLOPs are counted by torch; attainable is the better of a large convolution and a large product in the same
precision. Memory is read before the loop's last save; "of which training" is the growth of the peak since before the
game was built.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml

from bench import Bench, is_distributed
from papergan.config import registry
from papergan.config.experiment import Recipe
from papergan.errors import PaperganError, RecipeError, did_you_mean
from papergan.tracking import provenance
from papergan.training.numerics import numerics

SAME = ("experiment", "system", "batch_size", "precision", "size", "hardware")  # if they differ, --compare says so


def main() -> None:
    """Measure, print, store and compare; errors are shown as one line."""
    given = arguments().parse_args()
    try:
        if is_distributed():
            from papergan.distributed.follower import run_distributed

            run_distributed(lambda: report(given))
        else:
            report(given)
    except PaperganError as error:
        sys.exit(f"throughput: {error}")


def arguments() -> argparse.ArgumentParser:
    """The command-line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="hybrid_cifar10")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe, as YAML")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, help="of images, which are random; default: of the recipe, or 32")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--loop-only", action="store_true", help="no parts, no attainable rate")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--figures", type=Path, help="kept figures to print, instead of measuring")
    parser.add_argument("--compare", type=Path, help="kept figures of before")
    return parser


def report(given: argparse.Namespace) -> None:
    """Get the results, print them, and store them if requested."""
    before = kept(given.compare) if given.compare else None
    if given.figures:
        figures = kept(given.figures)
    else:
        figures = measure(recipe_of(given.experiment, [*given.set, f"training.device={given.device}"]), given)
    print(table(figures, before))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def kept(path: Path) -> dict[str, Any]:
    """Results of an earlier measurement. Raises RecipeError if the file has none."""
    try:
        figures: dict[str, Any] = json.loads(path.read_text())
        table(figures, None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(f"{path} holds no figures of this benchmark ({type(error).__name__}: {error})") from error
    return figures


def recipe_of(experiment: str, changes: list[str]) -> Recipe:
    """A recipe in conf/base, read without Kedro, which may be missing. Raises RecipeError for a wrong change."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(registry.PARAMETERS.glob("*.yml"))]
    recipes = {name: recipe for file in files for name, recipe in file.items()}
    if experiment not in recipes:
        raise RecipeError(f"unknown experiment {experiment!r}{did_you_mean(experiment, recipes)}")
    for change in changes:
        place, found, value = change.partition("=")
        if not found:
            raise RecipeError(f"--set takes KEY=VALUE, got {change!r}")
        *above, last = place.split(".")
        node = recipes[experiment]
        for key in above:
            node = node.setdefault(key, {})
        node[last] = yaml.safe_load(value)
    return Recipe.parse(experiment, recipes[experiment])


def image_size(recipe: Recipe) -> int:
    """The recipe's image size; 32 if it leaves it to the data set."""
    return recipe.image_size or 32


def measure(recipe: Recipe, given: argparse.Namespace) -> dict[str, Any]:
    """All results, as plain values."""
    size = given.size or image_size(recipe)
    bench = Bench(recipe, size)
    with numerics(recipe.training.precision, deterministic=recipe.training.deterministic):
        rates = bench.loop(given.steps, given.warm_up)
        counts = bench.counts()
    per_second = statistics.median(rates)
    per_step = bench.batch_size * bench.game.batches_per_step
    ranks = 1 if bench.process_group is None else bench.process_group.world
    commit = provenance.commit()
    figures = {
        "experiment": given.experiment, "system": recipe.system, "overrides": recipe.overrides, "changes": given.set,
        "batch_size": bench.batch_size, "precision": recipe.training.precision, "size": size,
        "ranks": ranks, "hardware": provenance.hardware(bench.device),
        "versions": provenance.versions(), "commit": commit.name, "dirty": commit.dirty,
        "images_per_second": per_second, "spread": [min(rates), max(rates)],
        "milliseconds_per_step": 1000 * per_step / per_second, "images_per_step": per_step,
        "peak_memory": bench.peak_memory, "memory_of_training": bench.peak_memory - bench.memory_before,
        "mean_flops": ranks * counts.flops, "kept_bytes": counts.kept_bytes,
    }  # fmt: skip
    if given.loop_only:
        return figures
    with numerics(recipe.training.precision, deterministic=recipe.training.deterministic):
        parts = bench.parts(max(given.steps // 5, 2))
        parts["host"] = bench.host(max(given.steps // 10, 2)) * figures["milliseconds_per_step"]
        attainable, launches = bench.attainable(), bench.launches()
    share = counts.flops * per_second / per_step / max(attainable.values())
    return figures | {
        "milliseconds": parts, "launches": launches, "attainable_flops": attainable, "share_of_attainable": share,
    }  # fmt: skip


def rows_of(figures: dict[str, Any]) -> dict[str, float]:
    """Name and value of each row. Older results with another meaning have other keys, and no such row."""
    step = figures["milliseconds_per_step"]
    parts = {name: value for name, value in figures.get("milliseconds", {}).items() if not name.startswith("every")}
    known = {
        "images per second": (figures["images_per_second"], 1),
        "milliseconds per step": (step, 1),
        **{f"... {name}": (value, 1) for name, value in parts.items()},
        **{f"share of {name}": (value, step) for name, value in parts.items()},
        "kernels, on a CPU operators, per step": (figures.get("launches"), 1),
        "peak memory, MiB": (figures.get("peak_memory"), 2**20),
        "of which training, MiB": (figures.get("memory_of_training"), 2**20),
        "kept for the backward pass, MiB": (figures.get("kept_bytes"), 2**20),
        "GFLOP per step": (figures.get("mean_flops"), 1e9),
        **{f"attainable GFLOP/s, {name}": (v, 1e9) for name, v in figures.get("attainable_flops", {}).items()},
        "share of attainable": (figures.get("share_of_attainable"), 1),
    }
    return {name: value / unit for name, (value, unit) in known.items() if value is not None}


def table(figures: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The results as Markdown, with earlier results and the ratio if there are any."""
    rows = rows_of(figures)
    if before is None:
        lines = [f"| {name} | {value:.4g} |" for name, value in rows.items()]
        return "\n".join([_head(figures), "", "| | |", "|---|---|", *lines])
    old = rows_of(before)
    lines = []
    for name in [*rows, *(name for name in old if name not in rows)]:
        was, now = old.get(name), rows.get(name)
        ratio = f"{now / was:.2f}" if was and now is not None else ""
        lines.append(f"| {name} | {_shown(was)} | {_shown(now)} | {ratio} |")
    other = [name for name in SAME if before.get(name) != figures.get(name)]
    warning = [f"Not the same before and now: {', '.join(other)}.", ""] if other else []
    head = [f"Before: {_head(before)}", "", f"Now: {_head(figures)}", "", *warning]
    return "\n".join([*head, "| | before | now | ratio |", "|---|---|---|---|", *lines])


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _head(figures: dict[str, Any]) -> str:
    changes = "".join(f", {change}" for change in figures.get("changes", []))
    commit = figures["commit"][:7] + (" with changes" if figures.get("dirty") else "")
    facts = f"batch {figures['batch_size']}, {figures['size']}x{figures['size']}, {figures['precision']}{changes}"
    return f"{figures['experiment']}, {facts}; {figures['hardware']}, torch {figures['versions']['torch']}, {commit}"


if __name__ == "__main__":
    main()
