"""Compares a peer's loop with ours on the same work: `python benchmarks/peers/compare.py --peer mimicry --path DIR`.

Both sides have the same networks (the peer's own classes; for conditional games, the peer's on its side, ours of the
same recipe here), batch size, loss, optimiser settings, moves, images, precision (float32) and threads. Each side
trains in its own process; the two alternate, and the side that begins changes from round to round. The first steps are
left out. Prints Markdown: images per second of each, their ratio per round (median, minimum, maximum), and the FLOPs of
a step of each, forward and backward separately: the same forward work, or the difference is stated; and, if each side
has its own networks, how these differ. `--json FILE` keeps all of it. Users fetch peers themselves, see README.md.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, before torch is loaded

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

import torch
from pairs import beside
from work import Asked, Clock, SplitCounter, train_ours

from papergan.data.folder import read_images
from papergan.errors import PaperganError, RecipeError
from papergan.project import PROJECT
from papergan.randomness import seeded
from papergan.tracking import provenance
from papergan.training.numerics import choose_device, numerics

sys.path.pop()  # some modules next to `counting` have the names of a peer's modules

PEERS = ("mimicry", "studiogan", "pytorch_gan", "acgan_pytorch", "r3gan", "plain")
ALTERNATING = (("peer", "ours"), ("ours", "peer"))
IMAGES = 4096
COUNTED = 2  # steps of the run that counts FLOPs: those of the last step are kept
SAME_WORK = 0.01  # forward FLOPs that differ by less are called the same


def main() -> None:
    """Compare, print and store; errors are shown as one line."""
    given = arguments().parse_args()
    try:
        check(given)
        if given.side:
            given.json.write_text(json.dumps(one_side(given)))
            return
        figures = compare(given)
        print(table(figures))
        if given.json:
            given.json.write_text(json.dumps(figures, indent=1) + "\n")
    except PaperganError as error:
        sys.exit(f"compare: {error}")


def arguments() -> argparse.ArgumentParser:
    """The command-line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--path", type=Path, help="a copy of the peer's repository, outside this one")
    parser.add_argument("--peer-commit", help="of that copy, where it is no git checkout that can tell")
    parser.add_argument("--network", help="which of the peer's networks; see its file here")
    parser.add_argument("--width", type=int, help="of the networks, where the peer lets one choose")
    parser.add_argument("--discriminator-steps", type=int, help="per step; by default the peer's usual number")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20, help="that are timed, of each side in each round")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them; at least 1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="of torch, for both sides; by default torch's choice")
    parser.add_argument("--workers", type=int, default=1, help="of the peer's DataLoader; ours has none")
    parser.add_argument("--images", type=Path, help=f"a parquet file or folder; by default {IMAGES} random ones")
    parser.add_argument("--size", type=int, default=32, help="of random images")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--side", choices=("peer", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--pairs", action="store_true", help=argparse.SUPPRESS)
    return parser


def check(given: argparse.Namespace) -> None:
    """Check the options. Raises RecipeError if they cannot be compared."""
    if min(given.steps, given.warm_up, given.rounds, given.batch) < 1:
        raise RecipeError("--steps, --warm-up, --rounds and --batch must be at least 1")
    if given.peer == "plain":
        return
    if given.path is None or not given.path.is_dir():
        raise RecipeError(f"--path must be a folder with a copy of {given.peer}, got {given.path}; see README.md")
    given.path = given.path.resolve()
    if given.path.is_relative_to(PROJECT):
        raise RecipeError(f"{given.path} lies in this repository, which holds no other's code: put it elsewhere")


def one_side(given: argparse.Namespace) -> dict[str, Any]:
    """Train one side in this process. Returns seconds per step, or FLOPs per step if they are counted.

    With `pairs` nothing is trained; returns the comparison of networks by `beside`, in the recipe's width.
    """
    if given.threads:
        torch.set_num_threads(given.threads)
    device, warm_up = choose_device("cpu" if given.pairs else given.device), 1 if given.count else given.warm_up
    steps = COUNTED - 1 if given.count else given.steps
    with tempfile.TemporaryDirectory() as folder, numerics("float32", deterministic=False):
        asked = Asked(
            given.path, pixels_of(given), device, given.batch, steps, Path(folder), given.network,
            None if given.pairs else given.width, given.discriminator_steps, given.workers,
        )  # fmt: skip
        with seeded(0, "weights"):
            sides = importlib.import_module(given.peer).sides(asked)
        if given.pairs:
            return {"pairs": {name: beside(pair) for name, pair in sides.pairs.items()}}
        counter = SplitCounter() if given.count else None
        clock = Clock(asked, warm_up, sides.discriminator_steps + 1, counter)
        if counter is None:
            run(given.side, sides, asked, clock, warm_up + steps)
        else:
            with counter:
                run(given.side, sides, asked, clock, warm_up + steps)
    found = {"images_per_step": given.batch * sides.discriminator_steps, "facts": sides.facts}
    found |= {"hardware": provenance.hardware(device)}
    if counter is not None:
        return found | {"flops": clock.flops_per_step}
    found |= {"seconds_per_step": clock.seconds_per_step}
    return found | {"processor_seconds_per_step": clock.processor_seconds_per_step}


def run(side: str, sides: Any, asked: Asked, clock: Clock, steps: int) -> None:
    """Run one side's loop until the clock has all steps."""
    if side == "ours":
        train_ours(sides, asked, clock, steps)
        return
    with clock.hooked():
        sides.peer()
    if len(clock.times) != steps:
        raise RecipeError(f"the peer's loop ended after {len(clock.times)} of {steps} steps")


def pixels_of(given: argparse.Namespace) -> torch.Tensor:
    """uint8 [N, 3, S, S], the same in every process."""
    if given.images:
        return read_images(given.images, name="given", mode="RGB", limit=IMAGES).images
    generator = torch.Generator().manual_seed(0)
    number = max(IMAGES, given.batch * 2)
    return torch.randint(0, 256, (number, 3, given.size, given.size), dtype=torch.uint8, generator=generator)


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """All results, as plain values."""
    counts = {side: in_a_process(given, side, "--count") for side in ("peer", "ours")}
    pairs = in_a_process(given, "ours", "--pairs")["pairs"]
    rates: dict[str, list[float]] = {"peer": [], "ours": []}
    processor: dict[str, list[float]] = {"peer": [], "ours": []}
    for number in range(given.rounds):
        for side in ALTERNATING[number % 2]:
            found = in_a_process(given, side)
            rates[side].append(found["images_per_step"] / found["seconds_per_step"])
            processor[side].append(found["processor_seconds_per_step"])
            print(f"round {number + 1}: {side} {rates[side][-1]:.1f} images/s", file=sys.stderr)
    ratios = [ours / peer for ours, peer in zip(rates["ours"], rates["peer"], strict=True)]
    busy = [peer / ours for ours, peer in zip(processor["ours"], processor["peer"], strict=True)]
    commit = provenance.commit()
    kept = ("peer", "network", "width", "batch", "steps", "warm_up", "rounds", "workers", "size")
    return {
        **{name: getattr(given, name) for name in kept},
        "images": "random" if given.images is None else given.images.name, "precision": "float32",
        "images_per_step": counts["ours"]["images_per_step"], "images_per_second": rates, "ratios": ratios,
        "processor_seconds_per_step": processor, "processor_ratios": busy, "processor_ratio": statistics.median(busy),
        "ratio": statistics.median(ratios), "flops": {side: found["flops"] for side, found in counts.items()},
        "facts": counts["peer"]["facts"], "pairs": pairs,
        "hardware": counts["ours"]["hardware"], "versions": provenance.versions(),
        "commit": commit.name, "dirty": commit.dirty, "peer_commit": given.peer_commit or commit_of(given.path),
    }  # fmt: skip


def in_a_process(given: argparse.Namespace, side: str, *more: str) -> dict[str, Any]:
    """Run `one_side` in its own process. Raises RecipeError with the last line of its output if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        command = [sys.executable, __file__, *options(given), "--side", side, "--json", str(file), *more]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - ourselves
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
            raise RecipeError(f"the side {side!r} of {given.peer} failed: {said[-1].removeprefix('compare: ')}")
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def options(given: argparse.Namespace) -> list[str]:
    """The options as a command line for another process."""
    left_out = {"json", "side", "count", "pairs", "rounds", "peer_commit"}
    pairs = {name: value for name, value in vars(given).items() if name not in left_out and value is not None}
    return [f"--{name.replace('_', '-')}={value}" for name, value in pairs.items()]


def commit_of(path: Path | None) -> str:
    """The commit of a git checkout at exactly this folder; "unknown" for anything else."""
    if path is None or not (path / ".git").exists():
        return "unknown"
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=path, capture_output=True, text=True)  # noqa: S607
    return done.stdout.strip() or "unknown"


def table(figures: dict[str, Any]) -> str:
    """The results as Markdown."""
    rates, flops = figures["images_per_second"], figures["flops"]
    network = figures["facts"].get("network", "dcgan") + (f" of width {figures['width']}" if figures["width"] else "")
    facts = f"{network}, batch {figures['batch']}, {figures['images_per_step']} real images per step, float32"
    least, most = min(figures["ratios"]), max(figures["ratios"])
    lines = [
        f"{figures['peer']} ({figures['peer_commit'][:7]}) against ours ({figures['commit'][:7]}): {facts}; "
        f"{figures['hardware']}, torch {figures['versions']['torch']}, {figures['rounds']} rounds.", "",
        "| | images/s, median | least | most | GFLOP per step, forward | backward | GFLOP/s |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for side in ("peer", "ours"):
        rate, (forward, backward) = rates[side], flops[side]
        middle = statistics.median(rate)
        done = (forward + backward) * middle / figures["images_per_step"]
        work = " | ".join(f"{value / 1e9:.4g}" for value in (forward, backward, done))
        lines.append(f"| {side} | {middle:.4g} | {min(rate):.4g} | {max(rate):.4g} | {work} |")
    ratio = f"{figures['ratio']:.2f} | {least:.2f} | {most:.2f}"
    shares = [flops["ours"][part] / max(flops["peer"][part], 1) for part in (0, 1)]
    lines += [f"| ours / peer | {ratio} | {shares[0]:.3f} | {shares[1]:.3f} | |"]
    if figures["hardware"].endswith("threads"):
        busy = figures["processor_ratios"]
        spread = f"{figures['processor_ratio']:.2f} | {min(busy):.2f} | {max(busy):.2f}"
        lines += [f"| in processor time, without a DataLoader's workers | {spread} | | | |"]
    lines += [""]
    lines += [networks(figures["pairs"])] if figures["pairs"] else [verdict(*shares)]
    return "\n".join(lines)


def networks(pairs: dict[str, Any]) -> str:
    """Our networks compared with the peer's as Markdown, in the recipe's width."""
    lines = [
        "| network | parameters, ours | peer | GFLOP per image, ours | peer | what differs | outputs, same weights |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in pairs.items():
        parameters = " | ".join(str(found["parameters"][side]) for side in ("ours", "theirs"))
        flops = " | ".join(f"{found['flops'][side] / 1e9:.5g}" for side in ("ours", "theirs"))
        apart = "-" if found["difference"] is None else f"{found['difference']:.1e} apart"
        lines.append(f"| {name} | {parameters} | {flops} | {'; '.join(differing(found)) or 'nothing'} | {apart} |")
    return "\n".join(lines)


def differing(found: dict[str, Any]) -> list[str]:
    """Kinds of layers with different FLOPs, and shapes of weights that only one side has."""
    ours, theirs = (found["kinds"][side] for side in ("ours", "theirs"))
    said = [
        f"{kind} {ours.get(kind, 0) / 1e6:.4g} against {theirs.get(kind, 0) / 1e6:.4g} MFLOP"
        for kind in sorted(ours | theirs)
        if ours.get(kind, 0) != theirs.get(kind, 0)
    ]
    for side, shapes in (("ours", found["only_ours"]), ("the peer", found["only_theirs"])):
        said += [f"only {side}: {', '.join('x'.join(map(str, shape)) or '1' for shape in shapes)}"] if shapes else []
    return said


def verdict(forward: float, backward: float) -> str:
    """Whether both sides did the same work, in words. forward, backward: FLOPs of ours, the peer's being 1."""
    same = "The same forward work" if abs(forward - 1) < SAME_WORK else f"Ours does {forward:.2f} of the forward work"
    if abs(backward - 1) < SAME_WORK:
        return f"{same}, and the same backward work."
    kind = "less: the peer computes gradients that nobody uses" if backward < 1 else "more"
    return f"{same}; in backward passes ours does {backward:.2f} of the peer's, {kind}."


if __name__ == "__main__":
    main()
