"""What only a GPU can show: a step never waits for the device, and a resumed run is the run that never stopped."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from helpers.small_systems import pixels_of_inputs, spec
from papergan import systems
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSpec
from papergan.extractors.domain_training import train_domain_classifier
from papergan.game.augmentation import rotation, translation
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.optimisers import NAMES
from papergan.game.schedules import Progress
from papergan.game.state_snapshot import StateSnapshot
from papergan.game.training_step import training_step
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.numerics import autocast_type, numerics
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PIXELS = torch.randint(0, 256, (256, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def a_run(name: str, folder: Path, steps: int, precision: str = "float32", graphs: bool = True, **changes) -> Trainer:
    """Deterministic, on a GPU; schedules move and lazy turns come within a few steps."""
    game = systems.build(name, ImageSpec(3, 32, 10), MOVING[name], seed=0).to("cuda")
    batches = Batches(PIXELS, torch.zeros(256, dtype=torch.int64), batch_size=16, seed=0, device="cuda", flip=True)
    settings = TrainSettings(
        steps=steps, precision=precision, report_every=5, cuda_graphs=graphs, **({"deterministic": True} | changes)
    )
    run = Trainer(game, batches, settings, CheckpointStore(folder, name), Callbacks())
    run.run()
    return run


MOVING = {
    "hybrid": {"r1_interval": 2, "decay_every_epochs": 0.9},
    "hybrid_fast": {"r1_interval": 2, "decay_from_step": 4, "decay_to_step": 40, "ema_warmup_steps": 12},
    "dcgan": {},
    "cft_gan": {"edge_loss": "sobel"},
    "deligan": {},
    "gan": {"loss": "mmd", "minibatch": "l1"},
    "wgan_gp": {"decay_to_step": 40},
    "began": {"encoder_weights": "none"},
    "began_original": {"stall_window": 8},
    "began_v3": {},
    "r3gan": {"width": 64, "decay_images": 64.0},
    "stylegan2": {"adaptive_augmentation": "bgc"},
}


def losses(run: Trainer) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in run.history.losses]


def assert_same_run(one: Trainer, other: Trainer) -> None:
    assert losses(one) == losses(other)
    assert StateSnapshot(one.game, one._guard).first_different_bit(StateSnapshot(other.game, other._guard)) is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(MOVING))
def test_graphs_come_to_the_same_bits_as_played_iterations(name, precision, tmp_path):
    graphs = a_run(name, tmp_path / "graphs", 30, precision)
    assert graphs._graphs.engine is not None, "it fell back: see the log"
    assert graphs._graphs._recordings
    assert all(recording.checked for recording in graphs._graphs._recordings.values())
    assert_same_run(graphs, a_run(name, tmp_path / "played", 30, precision, graphs=False))


@pytest.mark.parametrize("name", sorted(MOVING))
def test_a_run_may_go_on_with_graphs_or_without(name, tmp_path):
    straight = a_run(name, tmp_path / "straight", 40, graphs=False)
    for first in (True, False):
        a_run(name, tmp_path / str(first), 20, graphs=first)
        assert_same_run(straight, a_run(name, tmp_path / str(first), 40, graphs=not first))


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(MOVING))
def test_fast_kernels_pass_the_check(name, precision, tmp_path):
    assert a_run(name, tmp_path, 14, precision, deterministic=False)._graphs.engine is not None


@pytest.mark.parametrize("name", sorted(MOVING))
def test_a_repeated_iteration_never_waits_for_the_device(name, tmp_path):
    run = a_run(name, tmp_path, 14)
    assert run._graphs.engine is not None
    torch.cuda.set_sync_debug_mode("error")
    try:
        run._run_step()
        run._run_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    run._guard.check()


def built(name: str, device: str = "cuda") -> Game:
    """A system as it is by default, on images and inputs that it takes; without weights that BEGAN would download."""
    return systems.build(name, spec(name), {"encoder_weights": "none"} if name == "began" else {}, seed=0).to(device)


def steps(
    name: str, game: Game, first: int, last: int, autocast: torch.dtype | None = None, strict: bool = False
) -> None:
    batches = Batches(
        PIXELS, torch.zeros(256, dtype=torch.int64), batch_size=16, seed=0, device=game.device, flip=True,
        inputs=pixels_of_inputs(spec(name), len(PIXELS)),
    )  # fmt: skip
    guard = NonFiniteGuard(game.device)
    count = game.batches_per_step
    batches.at(0)  # the order of the epoch is moved to the device once
    for step in range(first, last):
        torch.manual_seed(step)
        torch.cuda.set_sync_debug_mode("error" if strict else "default")
        try:
            real = [batches.at((step * count + repeat) % batches.per_epoch) for repeat in range(count)]
            training_step(game, real, Progress(step), guard, autocast)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    guard.check()


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
@pytest.mark.parametrize("name", systems.names())
def test_a_step_never_waits_for_the_device(name, autocast):
    game = built(name)
    steps(name, game, 0, 2, autocast)  # kernels are chosen and loaded
    steps(name, game, 2, 4, autocast, strict=True)


def assert_same_bits(one, other) -> None:
    for key, tensor in one.networks.state_dict().items():
        assert torch.equal(tensor, other.networks.state_dict()[key]), key


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", systems.names())
def test_ten_deterministic_steps_are_the_same_bits_twice(name, precision):
    with numerics(precision, deterministic=True):
        first, second = (built(name) for _ in range(2))
        for game in (first, second):
            steps(name, game, 0, 10, autocast_type(precision))
    assert_same_bits(first, second)


def test_a_resampling_has_a_derivative_that_is_deterministic_where_it_must_be():
    images = torch.rand(40, 3, 32, 32, device="cuda", generator=torch.Generator("cuda").manual_seed(0))

    def derivative(deterministic: bool) -> torch.Tensor:
        torch.manual_seed(0)
        leaf = images.clone().requires_grad_()
        with numerics("tf32", deterministic=deterministic):
            rotation(translation(leaf)).square().sum().backward()
        return leaf.grad

    first, second = derivative(True), derivative(True)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, derivative(False), rtol=1e-4, atol=1e-4)


def test_the_domain_classifier_is_the_same_bits_twice():
    images, held_out = synthetic_shapes("train", 1000), synthetic_shapes("test", 200)
    first, second = (
        train_domain_classifier(images, held_out, epochs=1, device="cuda", deterministic=True) for _ in range(2)
    )
    assert first.digest == second.digest


@pytest.mark.parametrize("name", systems.names())
def test_deterministic_runs_resume_bit_for_bit(name):
    with numerics("float32", deterministic=True):
        straight, first, second = (built(name) for _ in range(3))
        steps(name, straight, 0, 4)
        steps(name, first, 0, 2)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        steps(name, second, 2, 4)
    assert_same_bits(straight, second)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_goes_on_on_the_other_device(name):
    for places in (("cuda", "cpu"), ("cpu", "cuda")):
        saved = None
        for step, place in enumerate(places):
            game = systems.build("gan", ImageSpec(3, 32), {"optimiser_name": name}, seed=0).to(place)
            if saved is not None:
                game.load_state_dict(saved)
            steps("gan", game, step, step + 1)
            saved = copy.deepcopy(game.state_dict())
