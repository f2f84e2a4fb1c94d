"""Two processes that play the same games together, and what one process makes of the same batches.

As a script, this file is one of them: `python two_ranks.py RANK PORT FOLDER`. All numbers are float64, also where the
library asks for float32, so that what is the same game agrees to ten digits and what is not does not.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from helpers.small_systems import VARIANTS, at_rate, critic_moves, pixels_of_inputs, small, spec
from papergan import systems

WORLD = 2
SIZE, BATCH = 16, 4
SPECIAL = {  # games whose settings are others than the small ones, so that everything shared out is in one of them
    "mix_wgan": ("mix_wgan", {"components": 2}),  # two generators share a batch of two
    "edges": ("cft_gan", {"edge_loss": "sobel"}),
    "gan": ("gan", {"minibatch": "l2", "diversity": 1.0, "normalisation": "batch", "loss": "hinge"}),
    "discrepancy": ("gan", {"loss": "mmd"}),
    "official": ("hybrid", {"adaptive_mix": "official", "augmentation": "color,translation,cutout"}),
}
GAMES = {name: (name, {}) for name in systems.names()} | SPECIAL | VARIANTS
SLIPS = {  # what somebody might forget, and in which game it must show
    "latents of its own": ("dcgan", ["papergan.game.priors.per_image"]),
    "augmentation of its own": ("hybrid", ["papergan.game.augmentation.per_image"]),
    "partners of its own": (
        "hybrid",
        ["papergan.objectives.adaptive_mix.per_image", "papergan.objectives.adaptive_mix.all_gather"],
    ),
    "mixing of its own": ("official", ["papergan.networks.mixing.per_image", "papergan.networks.mixing.all_gather"]),
    "penalties between its own": ("wgan_gp", ["papergan.objectives.gradient_penalties.per_image"]),
    "features of its own": ("hybrid", ["papergan.objectives.feature_matching.batch_mean"]),
    "BatchNorm of its own": ("dcgan", ["papergan.game.batch_norm.is_shared"]),
    "balance of its own": ("began_cs", ["papergan.objectives.began.batch_mean"]),
    "codes of its own": ("began_v3", ["papergan.networks.autoencoders.began.per_image"]),
    "components of its own": ("deligan", ["papergan.objectives.learned_priors.per_image"]),
    "means of its own": ("cft_gan", ["papergan.objectives.learned_priors.per_image"]),
    "dropout of its own": ("gan", ["papergan.networks.layers.drawing.per_image"]),
    "comparisons of its own": ("gan", ["papergan.networks.layers.drawing.all_gather"]),
    "deviations of its own": ("progan", ["papergan.networks.layers.equalised.all_gather"]),
    "noise of its own": ("stylegan2", ["papergan.networks.layers.styles.per_image"]),
    "styles of its own": ("stylegan2", ["papergan.game.style_generator.per_image"]),
    "path lengths of its own": ("stylegan2", ["papergan.objectives.path_length.batch_mean"]),
    "diversity of its own": (
        "gan",
        ["papergan.objectives.diversity.all_gather", "papergan.objectives.diversity.per_image"],
    ),
    "discrepancy of its own": ("discrepancy", ["papergan.objectives.mmd.all_gather"]),
    "gradients of its own": ("dcgan", ["papergan.game.training_step.average_over_ranks"]),
}


def alone(what: str) -> Callable[..., Any]:
    """What a process without others does in place of a function of `papergan.game.sharding`."""
    return {
        "per_image": lambda draw, count, dim=0: draw(count),
        "all_gather": lambda rows: rows,
        "batch_mean": lambda values, dim=0: values.mean(dim),
        "is_shared": lambda: False,
        "average_over_ranks": lambda gradients, values: values,
    }[what.rsplit(".", 1)[1]]


def start(folder: Path, script: str = __file__, *more: str) -> list[subprocess.Popen[str]]:
    """Both processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(port), str(folder), *more], env=environment(rank, port),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(WORLD)
    ]  # fmt: skip


def environment(rank: int, port: int) -> dict[str, str]:
    """As torchrun sets it."""
    facts = {
        "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD, "MASTER_PORT": port,
        "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1,
        "PYTHONPATH": os.pathsep.join(str(Path(__file__).parent / folder) for folder in ("..", "../../src")),
    }  # fmt: skip
    return {**os.environ, **{name: str(fact) for name, fact in facts.items()}}


def build(name: str) -> Any:
    system, more = GAMES[name]
    settings = small(system, width=4, latent_dim=4) | at_rate(system, 2e-4) | critic_moves(system, 2) | more
    return systems.build(system, spec(system, size=SIZE), settings, seed=1)


def moves(game: Any, name: str, shard: Any, steps: int) -> Iterator[dict[str, Any]]:
    """The reports of a few steps on rank-wise shares of the same batches; the first step has R1 in it."""
    import torch

    from papergan.game.schedules import Progress
    from papergan.game.sharding import use_shard
    from papergan.game.training_step import training_step
    from papergan.training.batches import Batches

    pixels = torch.randint(0, 256, (40, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    inputs = pixels_of_inputs(spec(GAMES[name][0], size=SIZE), len(pixels))
    batches = Batches(
        pixels, torch.arange(40) % 10, batch_size=BATCH, seed=3, device="cpu", flip=True, shard=shard, inputs=inputs
    )
    for step in range(steps):
        count = game.batches_per_step
        real = [batches.at(step * count + repeat) for repeat in range(count)]
        torch.manual_seed(step)
        with use_shard(shard) if shard is not None else nullcontext():
            yield training_step(game, real, Progress(step, step * BATCH, step / 5))


def played(name: str, shard: Any, steps: int | None = None) -> dict[str, Any]:
    """Everything that a game came to, in a second step too where controllers or lazy turns make that another one."""
    from papergan.game.batch_norm import share_batch_norm
    from papergan.game.schedules import Progress

    game = build(name)
    if shard is not None:
        share_batch_norm(game.networks)
    another = game.controllers or not all(turn.when(Progress(step)) for turn in game.turns for step in (0, 1))
    reports = list(moves(game, name, shard, steps or (2 if another else 1)))
    state = game.state_dict()
    return {
        **{f"step {step}, {key}": value for step, report in enumerate(reports) for key, value in report.items()},
        **{f"networks.{key}": value for key, value in state["networks"].items()},
        **{f"average.{key}": value for key, value in state["average"].items()},
    }


def slope_of_all_ranks(shard: Any) -> dict[str, Any]:
    """First and second derivatives through `all_gather` and `batch_mean`, of a function that couples all rows."""
    import torch

    from papergan.game.sharding import all_gather, batch_mean, use_shard

    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    mine = (rows if shard is None else rows[shard.rows(4)]).clone().requires_grad_()
    with use_shard(shard) if shard is not None else nullcontext():
        coupled = (
            all_gather(mine).flip(0)[: len(mine)] if shard is None else all_gather(mine).flip(0)[shard.rows(4)]
        ) * mine
        value = (coupled.sin() * batch_mean(mine).cos()).sum(dim=1).square().mean()
        (first,) = torch.autograd.grad(value, mine, create_graph=True)
        (second,) = torch.autograd.grad((first**3).sum(), mine)
    scale = 1 if shard is None else shard.world  # each rank's value is a mean over its rows alone
    return {"value": value.detach(), "first": first.detach() / scale, "second": second.detach() / scale**3}


def spread_of_all_ranks(shard: Any) -> dict[str, Any]:
    """DRAGAN's deviation of images whose halves have other means: that of one half is another."""
    import torch

    from papergan.game.sharding import use_shard
    from papergan.objectives.gradient_penalties import _spread

    images = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(2)) + torch.arange(4).view(4, 1, 1, 1)
    with use_shard(shard) if shard is not None else nullcontext():
        return {"spread": _spread(images if shard is None else images[shard.rows(4)])}


def travelling(shard: Any) -> dict[str, Any]:
    """How many numbers each sum of a generator's and a discriminator's move has: only the mover's gradients travel."""
    import torch
    from torch import distributed

    from papergan.game.batch_norm import share_batch_norm

    game = build("wgan_gp")
    share_batch_norm(game.networks)
    lengths = []
    real = distributed.all_reduce

    def noted(tensor: Any, *rest: Any, **more: Any) -> Any:
        lengths.append(tensor.numel())
        return real(tensor, *rest, **more)

    with patch.object(distributed, "all_reduce", noted):
        list(moves(game, "wgan_gp", shard, 1))
    return {"lengths": torch.tensor(lengths)}


@contextmanager
def in_float64() -> Iterator[None]:
    import torch

    torch.set_default_dtype(torch.float64)
    with patch.object(torch.Tensor, "float", torch.Tensor.double):
        yield


@contextmanager
def written() -> Iterator[list[str]]:
    """The names of files that Python opens for writing inside the block."""
    names: list[str] = []
    listening, writing = True, os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & writing:
            names.append(str(arguments[0]))

    sys.addaudithook(note)
    yield names
    listening = False


def main(rank: int, folder: Path) -> None:
    import torch

    from papergan.training.process_group import join

    torch.set_num_threads(1)
    process_group = join()
    shard = process_group.shard(torch.device("cpu"))
    with in_float64():
        found = {"together": {name: played(name, shard) for name in GAMES}}
        found["together"] |= {"slopes": slope_of_all_ranks(shard), "spread": spread_of_all_ranks(shard)}
        found["slips"] = {}
        for slip, (name, places) in SLIPS.items():
            with ExitStack() as patches:
                for place in places:
                    patches.enter_context(patch(place, alone(place)))
                found["slips"][slip] = played(name, shard, steps=1)
        found["travelling"] = travelling(shard)
        if rank == 0:
            found["alone"] = {name: played(name, None) for name in GAMES}
            found["alone"] |= {"slopes": slope_of_all_ranks(None), "spread": spread_of_all_ranks(None)}
    torch.set_default_dtype(torch.float32)
    if rank == 0:
        from helpers import leader

        found["led"] = leader.lead(folder)
        process_group.leave()
    else:
        from papergan.distributed.follower import Follower

        with written() as names:
            Follower(process_group).run()
        found["kedro"] = torch.tensor("kedro" in sys.modules)
        found["written"] = {name: torch.tensor(True) for name in names}
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[3]))
