"""How training cost grows: `python benchmarks/scaling.py --experiment hybrid_cifar10 --folder FOLDER`.

Time per image and peak memory of the training loop against batch size, width, resolution and number of ranks, one axis
at a time from a base point, each cell in its own process (`throughput.py --loop-only`). Writes `cells.json`,
`scaling.md` with the power law of each axis, and `scaling.png` into the folder. Cells that are in `cells.json` are not
run again, so the command can be stopped and repeated. `--set KEY=VALUE` changes the recipe of every cell.

Widths are fractions of the recipe's, so that every system has them. Ranks share the batch and the machine's threads:
each rank has the threads that it has with the most ranks, so it is the same piece of hardware in every such cell.

`--expect` measures nothing: it counts FLOPs, weights and activations of the systems, and estimates rates from stated
assumptions; see expect.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from growth import draw, table
from papergan.atomic_files import write_whole
from papergan.errors import PaperganError, RecipeError
from papergan.systems import resolve
from throughput import recipe_of

THROUGHPUT = Path(__file__).with_name("throughput.py")


class Cell(NamedTuple):
    """One measurement point. width: fraction of the recipe's widths. threads: of each rank, 0 for torch's choice."""

    batch: int
    width: float
    size: int
    ranks: int
    threads: int = 0

    @property
    def name(self) -> str:
        return " ".join(f"{field}={value:g}" for field, value in self._asdict().items())


def main() -> None:
    """Measure missing cells, then print, write and plot; or count."""
    given = arguments().parse_args()
    try:
        if given.expect:
            from expect import expect

            print(expect(given))
        else:
            sweep(given)
    except PaperganError as error:
        sys.exit(f"scaling: {error}")
    except KeyboardInterrupt:
        sys.exit("scaling: stopped; the same command goes on with the cells that are missing")


def arguments() -> argparse.ArgumentParser:
    """The command-line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="hybrid_cifar10")
    parser.add_argument("--folder", type=Path, required=True, help="where cells, table and picture are")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe, as YAML")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="*", default=[8, 16, 32, 64, 128, 256])
    parser.add_argument("--widths", type=float, nargs="*", default=[0.125, 0.25, 0.5, 1.0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--base", type=float, nargs=3, default=[32, 0.25, 32], metavar=("BATCH", "WIDTH", "SIZE"))
    expected = parser.add_argument_group("--expect", "what is counted, and what an estimate assumes")
    expected.add_argument("--expect", action="store_true")
    expected.add_argument("--experiments", nargs="*", help="instead of all systems of the documentation")
    expected.add_argument("--attainable", nargs="*", default=[], metavar="PRECISION=TFLOPS", help="of one device")
    expected.add_argument("--share", type=float, default=0.3, help="of it that a step reaches")
    expected.add_argument("--bandwidth", type=float, default=100.0, help="GB/s at which ranks sum gradients")
    expected.add_argument("--launch", type=float, default=10.0, help="microseconds of the host per operator")
    expected.add_argument("--devices", type=int, default=8)
    return parser


def cells_of(given: argparse.Namespace) -> dict[str, list[Cell]]:
    """The cells of each axis, including the base point if the axis has its value."""
    batch, width, size = int(given.base[0]), given.base[1], int(given.base[2])
    threads = max(1, len(os.sched_getaffinity(0)) // max(given.ranks, default=1))
    return {
        "batch": [Cell(value, width, size, 1) for value in given.batches],
        "width": [Cell(batch, value, size, 1) for value in given.widths],
        "size": [Cell(batch, width, value, 1) for value in given.sizes],
        "ranks": [Cell(batch, width, size, value, threads) for value in given.ranks],
    }


def sweep(given: argparse.Namespace) -> None:
    """Run the missing cells, store each as soon as it is done, then show all.

    Raises RecipeError if the folder holds cells of another experiment or setting, or a cell cannot run.
    """
    axes, place = cells_of(given), given.folder / "cells.json"
    about = {name: getattr(given, name) for name in ("experiment", "set", "device", "steps", "warm_up")}
    kept = json.loads(place.read_text()) if place.exists() else {"about": about, "cells": {}}
    if kept["about"] != about:
        raise RecipeError(f"{place} holds cells of {kept['about']}, not of {about}: use another --folder")
    wanted = list(dict.fromkeys(cell for cells in axes.values() for cell in cells))
    missing = [cell for cell in wanted if cell.name not in kept["cells"]]
    for number, cell in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {cell.name}", file=sys.stderr, flush=True)
        found = run(cell, given)
        _check_same(place, kept["cells"], found)
        kept["cells"][cell.name] = found
        write_whole(place, (json.dumps(kept, indent=1) + "\n").encode())
    rows = {
        axis: [(float(getattr(cell, axis)), kept["cells"][cell.name]) for cell in cells]
        for axis, cells in axes.items()
        if cells
    }
    text = table(rows)
    print(text)
    write_whole(given.folder / "scaling.md", (text + "\n").encode())
    draw(rows, given.folder / "scaling.png")


def run(cell: Cell, given: argparse.Namespace) -> dict[str, Any]:
    """The results of one cell, from its own process. Raises RecipeError with the reason if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        launcher = [sys.executable]
        if cell.ranks > 1:
            launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(cell.ranks)]
        command = [
            *launcher, str(THROUGHPUT), "--loop-only", "--experiment", given.experiment, "--device", given.device,
            "--size", str(cell.size), "--steps", str(given.steps), "--warm-up", str(given.warm_up),
            "--json", str(figures), "--set", *given.set, *changes(cell, given),
        ]  # fmt: skip
        threads = {"OMP_NUM_THREADS": str(cell.threads)} if cell.threads else {}
        done = subprocess.run(  # noqa: S603 - our own script
            command, env={**os.environ, **threads}, capture_output=True, text=True
        )
        if done.returncode or not figures.exists():
            raise RecipeError(f"cell {cell.name} failed: {_reason(done.stderr)}")
        found: dict[str, Any] = json.loads(figures.read_text())
        return found


def _reason(said: str) -> str:
    """The line that names an error, ours before Python's; torchrun writes many lines after it."""
    lines = [line.strip() for line in said.splitlines()]
    ours = [line for line in lines if line.startswith(("throughput: ", "papergan: "))]
    other = [line for line in lines if re.match(r"(\[rank\d+\]: )?[\w.]*Error: ", line)]
    return (ours or other or lines or ["no message"])[0]


def changes(cell: Cell, given: argparse.Namespace) -> list[str]:
    """The cell as changes of the recipe. Raises RecipeError if a width does not fit, for example 0.3 of 8."""
    recipe = recipe_of(given.experiment, given.set)
    found = [f"training.batch_size={cell.batch}"]
    for name, whole in recipe.settings().items():
        if name == "width" or name.endswith("_width"):
            found.append(f"overrides.{name}={round(whole * cell.width)}")
    if cell.ranks > 1:
        found.append(f"training.devices={cell.ranks}")
    named = (change.removeprefix("overrides.").split("=") for change in found if change.startswith("overrides."))
    resolve(recipe.system, {**recipe.overrides, **{name: int(value) for name, value in named}})
    return found


def _check_same(place: Path, cells: dict[str, Any], found: dict[str, Any]) -> None:
    """Reject cells of another commit or versions, which cannot share a curve; threads may differ if there are ranks."""
    for other in cells.values():
        for what in ("commit", "versions"):
            if other[what] != found[what]:
                raise RecipeError(f"{place} holds cells of {what} {other[what]}, now it is {found[what]}: start anew")


if __name__ == "__main__":
    main()
