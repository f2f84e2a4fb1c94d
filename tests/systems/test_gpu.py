"""What only a GPU can show: a step never waits for the device, and a resumed run is the run that never stopped."""

from __future__ import annotations

import copy

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.data.synthetic import synthetic_shapes
from papergan.evaluation.domain_training import train_domain_classifier
from papergan.game.augment import rotation, translation
from papergan.game.finite import FiniteWatch
from papergan.game.knobs import Progress
from papergan.game.play import play
from papergan.training.batches import Batches
from papergan.training.numerics import autocast_type, numerics

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


def assert_same_bits(one, other) -> None:
    for key, tensor in one.networks.state_dict().items():
        assert torch.equal(tensor, other.networks.state_dict()[key]), key


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", systems.names())
def test_ten_deterministic_steps_are_the_same_bits_twice(name, precision):
    with numerics(precision, deterministic=True):
        first, second = (systems.build(name, ImageSpec(3, 32), {}, seed=0).to("cuda") for _ in range(2))
        for game in (first, second):
            steps(game, 0, 10, autocast_type(precision))
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
        straight, first, second = (systems.build(name, ImageSpec(3, 32), {}, seed=0).to("cuda") for _ in range(3))
        steps(straight, 0, 4)
        steps(first, 0, 2)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        steps(second, 2, 4)
    assert_same_bits(straight, second)
