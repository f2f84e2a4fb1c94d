"""What a step costs: measured on a throw-away game, in a bounded time, with the FLOPs of every pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.training.cost import FlopCounter, duration, measure_step

BATCH = ImageSpec(3, 16, 10).random_batch(4)


@pytest.fixture
def small():
    return systems.build("hybrid", ImageSpec(3, 16, 10), {"width": 4}, seed=0)


def test_a_step_is_timed_and_its_flops_are_counted(small):
    cost = measure_step(small, BATCH, limit=2.0, count_flops=True)
    assert 0 < cost.seconds < 10
    assert 1 <= cost.steps <= 10
    assert cost.flops > 0
    assert cost.peak_bytes > 2**20


def test_one_step_is_enough_where_it_is_short(small):
    assert measure_step(small, BATCH, enough=60.0).steps == 1


def test_twice_the_images_are_twice_the_flops():
    counts = []
    for batch in (4, 8):
        one = systems.build("hybrid", ImageSpec(3, 16, 10), {"width": 4, "gradient_penalty": 0.0, "r1": 0.0}, seed=0)
        counts.append(measure_step(one, ImageSpec(3, 16, 10).random_batch(batch), enough=60.0, count_flops=True).flops)
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.05)


def test_the_random_state_is_left_alone(small):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    measure_step(small, BATCH, enough=60.0)
    assert torch.equal(before, torch.get_rng_state())


def test_flops_of_a_product_and_of_its_two_gradients():
    layer, rows = nn.Linear(5, 7, bias=False), torch.rand(3, 5, requires_grad=True)
    with FlopCounter() as counter:
        torch.autograd.grad(layer(rows).sum(), [rows, layer.weight])
    assert counter.flops == 3 * 2 * 3 * 5 * 7


@pytest.mark.parametrize("layer", [
    nn.Conv2d(8, 12, 3, groups=4, bias=False), nn.Conv2d(8, 12, 3, stride=2, bias=False),
    nn.ConvTranspose2d(8, 12, 4, stride=2, groups=2, bias=False),
])  # fmt: skip
def test_either_derivative_of_a_convolution_costs_what_it_does(layer):
    maps = torch.rand(2, 8, 10, 10, requires_grad=True)
    with FlopCounter() as forward:
        out = layer(maps).sum()
    with FlopCounter() as both:
        torch.autograd.grad(out, [maps, layer.weight], retain_graph=True)
    with FlopCounter() as one:
        torch.autograd.grad(out, maps)
    assert both.flops == 2 * one.flops == 2 * forward.flops > 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 seconds"), (1, "1 second"), (40, "40 seconds"), (90, "1.5 minutes"), (61, "1 minute"),
     (3 * 3600, "3 hours"), (17.2 * 86400, "17 days"), (800 * 86400, "2 years")],
)  # fmt: skip
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words


def test_a_step_of_networks_that_grow_is_measured_at_their_size_by_then():
    settings = {"latent_dim": 4, "base_width": 64, "max_width": 4, "stable_images": 8, "fade_images": 8}
    game = systems.build("progan", ImageSpec(3, 16, 10), settings, seed=0)
    small, large = (measure_step(game, BATCH, enough=60.0, count_flops=True, images=n).flops for n in (0, 40))
    assert large > 4 * small
