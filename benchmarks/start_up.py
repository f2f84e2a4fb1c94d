"""Times the start of a run: `python benchmarks/start_up.py --pipeline hybrid_cifar10 --repeats 3`.

Starts `kedro run` in PAPERGAN_WORKSPACE, or in a temporary one, stops it like SIGTERM after its first step, and starts
it again `--repeats` times: these second starts find decoded images, classifier, reference features and a checkpoint.
Then `kedro registry list`. `--params` as for `kedro run`. Prints Markdown: the first start, and the median of the
second ones, in seconds since the command was given, and also the CPU seconds of all threads.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

Marks = list[tuple[str, float, float]]  # what, seconds since the command was given, CPU seconds
STOPPED = 143


def main() -> None:
    """Measure and print; or, in its own process, be the run that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", default="hybrid_cifar10")
    parser.add_argument("--env")
    parser.add_argument("--params", help="as for kedro run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--watched", nargs=2, metavar=("SINCE", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    command = ["--pipelines", given.pipeline]
    for name in ("env", "params"):
        command += [f"--{name}", getattr(given, name)] if getattr(given, name) else []
    if given.watched is not None:
        return run_watched(command, float(given.watched[0]), Path(given.watched[1]))
    with tempfile.TemporaryDirectory() as folder:
        workspace = os.environ.get("PAPERGAN_WORKSPACE") or f"{folder}/workspace"
        options = [*sys.argv[1:]]
        first, *later = [start(options, workspace, Path(folder, "marks")) for _ in range(1 + given.repeats)]
    listing = [registry_list() for _ in range(max(1, given.repeats))]
    print("\n".join(table(first, later, listing)))
    if given.json:
        given.json.write_text(json.dumps({"first": first, "later": later, "registry list": listing}, indent=1) + "\n")
    return None


def start(options: list[str], workspace: str, marks: Path) -> Marks:
    """One start, up to its first step."""
    since = time.monotonic()  # the machine's clock, the same in every process
    command = [sys.executable, __file__, *options, "--watched", str(since), str(marks)]
    done = subprocess.run(  # noqa: S603 - this file
        command, env={**os.environ, "PAPERGAN_WORKSPACE": workspace}, stdout=sys.stderr, timeout=7200, check=False
    )
    if done.returncode != STOPPED:
        raise SystemExit(f"the run was to be stopped after a step, and ended with {done.returncode}")
    return [(what, wall, cpu) for what, wall, cpu in json.loads(marks.read_text())]


def registry_list() -> tuple[float, float]:
    """Seconds and CPU seconds of `kedro registry list`."""
    started, used = time.monotonic(), os.times()
    command = [sys.executable, "-m", "kedro", "registry", "list"]
    subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)  # noqa: S603 - fixed
    now = os.times()
    return time.monotonic() - started, sum(now[2:4]) - sum(used[2:4])


def table(first: Marks, later: list[Marks], listing: list[tuple[float, float]]) -> list[str]:
    """The results as Markdown; a second start that skips a node has no time in its row."""
    lines = ["| until | first start | second start | CPU, second start |", "|---|---|---|---|"]
    seconds = {name: [wall for one in later for what, wall, _ in one if what == name] for name, _, _ in first}
    used = {name: [cpu for one in later for what, _, cpu in one if what == name] for name, _, _ in first}
    for what, wall, _ in first:
        lines.append(f"| {what} | {wall:.1f} | {_median(seconds[what])} | {_median(used[what])} |")
    walls, cpus = zip(*listing, strict=True)
    return [*lines, f"| `kedro registry list` ends | | {_median(walls)} | {_median(cpus)} |"]


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}" if values else ""


def run_watched(command: list[str], since: float, file: Path) -> None:
    """Run `kedro run` with a hook that records the time of each stage, and stops the run as soon as it trains."""
    import papergan.settings
    from papergan.project import PROJECT

    papergan.settings.HOOKS = (Watch(since, file), *papergan.settings.HOOKS)  # the first is called last
    os.chdir(PROJECT)
    from kedro.framework.cli.cli import KedroCLI

    KedroCLI(project_path=PROJECT)(args=["run", *command])


class Watch:
    """Records times, and stops the run after its first step."""

    def __init__(self, since: float, file: Path) -> None:
        self._since, self._file = since, file
        self._marks: Marks = []

    def note(self, what: str) -> None:
        """Record the current time."""
        used = os.times()
        self._marks.append((what, time.monotonic() - self._since, used.user + used.system))

    @hook_impl
    def after_context_created(self) -> None:
        """Kedro has started and read the configuration."""
        self.note("configuration is read")

    @hook_impl
    def before_pipeline_run(self) -> None:
        """The checks before the run have passed."""
        self.note("recipes are checked")

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Watch steps in training, which does not end here."""
        if node.short_name.endswith("train"):
            self._watch_steps()

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Record the end of every node before training."""
        self.note(f"{node.name.rpartition('.')[2]} is done")

    def _watch_steps(self) -> None:
        from papergan.training.trainer import Trainer

        training_step = Trainer._run_step

        def watched(training: Trainer) -> None:
            self.note("the first step begins")
            training_step(training)
            self.note("the first step is made")
            self._file.write_text(json.dumps(self._marks))
            Trainer._run_step = training_step  # type: ignore[method-assign]
            os.kill(os.getpid(), signal.SIGTERM)

        Trainer._run_step = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
