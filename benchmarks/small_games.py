"""A small game compared with a bare training loop: `python benchmarks/small_games.py`.

At the sizes of the tools on points, Python and dispatch take most of a step. The same networks, optimisers, batch size
and loss are trained by the tool's own step (batches by seed, latents, check for non-finite values, gradient norms,
running means) and by a loop without any of that: draw points, two losses, two steps. Both run in this process,
alternating every --steps steps, so that other load on the machine affects both; medians of --rounds turns, and of the
ratios of neighbouring turns, in processor time. --tool and --trial: a trial of parameters_tools.yml with the plain
non-saturating loss and Adam.
--checkpoints FOLDER, for example data/06_models/pacgan_points/cells: compares instead steps of the tool from the
trial's newest checkpoint, with denormals kept and flushed, each turn from the same state. Prints Markdown; --json FILE
keeps it.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.nn.functional import softplus

from papergan.config.mode_stress import ModeStressRecipe, ModeTrial, trials_of
from papergan.config.registry import PARAMETERS
from papergan.objectives.adversarial import NonSaturating
from papergan.studies.points.trials import PointsTraining
from papergan.tracking import provenance
from papergan.training.checkpoint import CheckpointStore
from papergan.training.numerics import flushed_denormals, numerics


def main() -> None:
    """Measure, print and store."""
    given = arguments().parse_args()
    torch.set_num_threads(given.threads)
    trial = trial_of(given.tool, given.trial)
    with numerics("float32", deterministic=False):
        if given.checkpoints is None:
            figures = measured(trial, given.steps, given.rounds)
        else:
            figures = measured_from(given.checkpoints, trial, given.steps, given.rounds)
    figures |= {"threads": given.threads, "hardware": provenance.hardware(torch.device("cpu"))}
    figures |= {"versions": provenance.versions(), "commit": provenance.commit().name}
    print(table(figures))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def arguments() -> argparse.ArgumentParser:
    """The command-line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default="mode_stress_test")
    parser.add_argument("--trial", default="ring/non_saturating")
    parser.add_argument("--steps", type=int, default=200, help="of a turn")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoints", type=Path, help="begin at the trial's newest checkpoint in this folder")
    parser.add_argument("--json", type=Path)
    return parser


def trial_of(tool: str, name: str) -> ModeTrial:
    """The first trial of this name."""
    entries = yaml.safe_load((PARAMETERS.parent / "parameters_tools.yml").read_text())
    return next(trial for trial in trials_of(ModeStressRecipe.parse(tool, entries[tool])) if trial.name == name)


def measured(trial: ModeTrial, steps: int, rounds: int) -> dict[str, Any]:
    """Milliseconds per step of both, medians over rounds, and the median of their ratios."""
    training = PointsTraining(trial, lambda row: None, None)
    if (why := unlike_the_bare_loop(training)) is not None:
        raise SystemExit(f"{trial.name}: {why}, which the bare loop does not have; take another trial")
    sides = {"bare": bare_loop(training), "tool": training.train_step}
    for side in sides.values():
        timed(side, 0, 20)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name, side in sides.items():
            times[name].append(timed(side, 20 + turn * steps, steps))
    ratios = [tool / bare for tool, bare in zip(times["tool"], times["bare"], strict=True)]
    return {
        "trial": trial.name, "system": trial.recipe.system, "batch_size": trial.recipe.batch_size, "steps": steps,
        "rounds": rounds, "milliseconds": {name: statistics.median(values) for name, values in times.items()},
        "ratio": statistics.median(ratios), "ratios": sorted(ratios),
    }  # fmt: skip


def measured_from(folder: Path, trial: ModeTrial, steps: int, rounds: int) -> dict[str, Any]:
    """Milliseconds per step from a checkpoint, denormals kept and flushed; and the share of denormal moments."""
    training = PointsTraining(trial, lambda row: None, None)
    found = CheckpointStore(folder, trial.key).latest()
    if found is None:
        raise SystemExit(f"{folder}: no checkpoint of {trial.name}")
    sides = {"kept": nullcontext, "flushed": flushed_denormals}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sorted(sides, reverse=bool(turn % 2)):
            training.game.load_state_dict(copy.deepcopy(found.state["game"]))
            with sides[name]():
                timed(training.train_step, 0, 20)
                times[name].append(timed(training.train_step, 20, steps))
    moments = [
        moment
        for optimiser in found.state["game"]["optimisers"].values()
        for state in optimiser["state"].values()
        for name, moment in state.items()
        if name.startswith("exp_avg")
    ]
    tiny = sum(int(((one != 0) & (one.abs() < torch.finfo(one.dtype).tiny)).sum()) for one in moments)
    ratios = [kept / flushed for kept, flushed in zip(times["kept"], times["flushed"], strict=True)]
    return {
        "trial": trial.name, "system": trial.recipe.system, "batch_size": trial.recipe.batch_size, "steps": steps,
        "rounds": rounds, "step": found.step, "denormal_moments": tiny / sum(one.numel() for one in moments),
        "milliseconds": {name: statistics.median(values) for name, values in times.items()},
        "ratio": statistics.median(ratios), "ratios": sorted(ratios),
    }  # fmt: skip


def timed(step: Callable[[int], None], first: int, steps: int) -> float:
    """Milliseconds of processor time per step."""
    began = time.process_time()
    for number in range(first, first + steps):
        step(number)
    return 1e3 * (time.process_time() - began) / steps


def unlike_the_bare_loop(training: PointsTraining) -> str | None:
    """What the trial's game has that `bare_loop` does not: its ratio would be of two games. None if nothing."""
    game = training.game
    for turn in game.turns:
        if turn.repeats > 1:
            return f"{turn.repeats} steps of the {turn.player}"
        if len(turn.objective) > 1 or getattr(turn.objective[0], "loss", None) != NonSaturating():
            return f"the objective {', '.join(turn.names)} other than the plain non-saturating loss"
    if other := {type(one).__name__ for one in game.optimisers.values()} - {"Adam"}:
        return f"the optimiser {other.pop()}"
    return None


def bare_loop(training: PointsTraining) -> Callable[[int], None]:
    """A step of the same game, non-saturating, on a copy of its networks, as written without a framework."""
    game, mixture = training.game, training.mixture
    generator, discriminator = (copy.deepcopy(game.networks[name]) for name in ("generator", "discriminator"))
    latent_dim, together = game.networks["prior"].latent_dim, game.images_per_score
    size, centres = training.recipe.batch_size * together, mixture.centres.float() / training.scale
    deviation, optimisers = mixture.deviation / training.scale, {}
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        network.requires_grad_(True)
        group = game.optimisers[name].param_groups[0]
        optimisers[name] = torch.optim.Adam(network.parameters(), lr=group["lr"], betas=group["betas"], fused=True)

    def score(points: Tensor) -> Tensor:
        packs: Tensor = points.reshape(size // together, -1, 1, 1)
        return discriminator(packs).score  # type: ignore[no-any-return]

    def step(number: int) -> None:
        real = centres[torch.randint(len(centres), (size,))] + deviation * torch.randn(size, 2)
        with torch.no_grad():
            fake = generator(torch.randn(size, latent_dim))
        loss = softplus(-score(real)).mean() + softplus(score(fake)).mean()
        optimisers["discriminator"].zero_grad()
        loss.backward()
        optimisers["discriminator"].step()
        discriminator.requires_grad_(False)
        loss = softplus(-score(generator(torch.randn(size, latent_dim)))).mean()
        optimisers["generator"].zero_grad()
        loss.backward()
        optimisers["generator"].step()
        discriminator.requires_grad_(True)

    return step


def table(figures: dict[str, Any]) -> str:
    """The results as Markdown."""
    milliseconds, columns, sides = figures["milliseconds"], ("bare loop", "tool"), ("bare", "tool")
    if "step" in figures:
        columns, sides = ("denormals kept", "flushed"), ("kept", "flushed")
    return "\n".join(
        [
            f"{figures['trial']}, system {figures['system']}, batch {figures['batch_size']}; {figures['hardware']}, "
            f"torch {figures['versions']['torch']}, {figures['commit'][:7]}"
            + (f"; step {figures['step']}, {figures['denormal_moments']:.1%} denormal" if "step" in figures else ""),
            "",
            f"| {columns[0]}, ms per step | {columns[1]}, ms per step | ratio |",
            "|---|---|---|",
            f"| {milliseconds[sides[0]]:.3f} | {milliseconds[sides[1]]:.3f} | "
            f"{figures['ratio']:.2f} ({figures['ratios'][0]:.2f} to {figures['ratios'][-1]:.2f}) |",
        ]
    )


if __name__ == "__main__":
    main()
