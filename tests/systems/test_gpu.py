"""What only a GPU can show: a step never waits for the device, and a resumed run is the run that never stopped."""

from __future__ import annotations

import copy

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.finite import FiniteWatch
from papergan.game.knobs import Progress
from papergan.game.play import play
from papergan.training.batches import Batches
from papergan.training.numerics import numerics

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PIXELS = torch.randint(0, 256, (256, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def steps(game, first: int, last: int, autocast: torch.dtype | None = None, strict: bool = False) -> None:
    batches = Batches(PIXELS, torch.zeros(256, dtype=torch.int64), batch_size=16, seed=0, device="cuda", flip=True)
    watch = FiniteWatch(game.device)
    count = game.batches_per_step
    batches.at(0)  # the order of the epoch is moved to the device once
    for step in range(first, last):
        torch.manual_seed(step)
        torch.cuda.set_sync_debug_mode("error" if strict else "default")
        try:
            real = [batches.at((step * count + repeat) % batches.per_epoch) for repeat in range(count)]
            play(game, real, Progress(step), watch, autocast)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    watch.check()


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
@pytest.mark.parametrize("name", systems.names())
def test_a_step_never_waits_for_the_device(name, autocast):
    game = systems.build(name, ImageSpec(3, 32), {}, seed=0).to("cuda")
    steps(game, 0, 2, autocast)  # kernels are chosen and loaded
    steps(game, 2, 4, autocast, strict=True)


@pytest.mark.parametrize("name", systems.names())
def test_deterministic_runs_resume_bit_for_bit(name):
    settings = {"augmentation": "color,cutout"} if "augmentation" in systems.resolve(name, {}) else {}
    with numerics("float32", deterministic=True):
        straight, first, second = (systems.build(name, ImageSpec(3, 32), settings, seed=0).to("cuda") for _ in range(3))
        steps(straight, 0, 4)
        steps(first, 0, 2)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        steps(second, 2, 4)
    for key, tensor in straight.networks.state_dict().items():
        assert torch.equal(tensor, second.networks.state_dict()[key]), key
