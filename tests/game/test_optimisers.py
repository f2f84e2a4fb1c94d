"""Every optimiser's first two steps by hand, and weights that are clipped."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from papergan.game.optimisers import NAMES, Clip, follow_weights, load_state, optimiser

RATE, FIRST, SECOND = 0.1, 2.0, -1.0  # gradients of the two steps


def by_hand(name: str) -> float:
    """Where a weight that begins at 1 is after gradients FIRST and SECOND; the equations written out."""
    w, g1, g2 = 1.0, FIRST, SECOND
    if name == "sgd":
        return w - RATE * g1 - RATE * g2
    if name == "momentum":
        return w - RATE * g1 - RATE * (0.9 * g1 + g2)
    if name == "rmsprop":
        v1 = 0.01 * g1**2
        v2 = 0.99 * v1 + 0.01 * g2**2
        return w - RATE * g1 / (math.sqrt(v1) + 1e-8) - RATE * g2 / (math.sqrt(v2) + 1e-8)
    if name == "adagrad":
        return w - RATE * g1 / (abs(g1) + 1e-10) - RATE * g2 / (math.sqrt(g1**2 + g2**2) + 1e-10)
    if name == "adadelta":
        v, u, eps = 0.0, 0.0, 1e-6
        for g in (g1, g2):
            v = 0.95 * v + 0.05 * g * g
            step = math.sqrt(u + eps) / math.sqrt(v + eps) * g
            u = 0.95 * u + 0.05 * step * step
            w -= RATE * step
        return w
    m, v = 0.0, 0.0
    for t, g in ((1, g1), (2, g2)):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        w -= RATE * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_by_hand(name):
    weight = nn.Parameter(torch.tensor([1.0]))
    moves = optimiser(name, RATE)([weight])
    for gradient in (FIRST, SECOND):
        weight.grad = torch.tensor([gradient])
        moves.step()
    assert float(weight) == pytest.approx(by_hand(name), rel=1e-5)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown optimiser 'adamm'; there are adam, sgd"):
        optimiser("adamm", 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_follows_weights_that_move_after_the_optimiser_was_made(name):
    weight = nn.Parameter(torch.tensor([1.0]))
    moves = optimiser(name, RATE)([weight])
    torch.utils.swap_tensors(weight, nn.Parameter(weight.to("meta")))  # what moving to a GPU does: the same object
    follow_weights(moves)
    places = {key: kept.device.type for key, kept in moves.state.get(weight, {}).items()}
    assert places == ({"step": "cpu", "sum": "meta"} if name == "adagrad" else {})  # steps are counted on the host


@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_was_saved_on_a_gpu_goes_on_on_a_cpu(name):
    weight = nn.Parameter(torch.tensor([1.0]))
    moves = optimiser(name, RATE)([weight])
    weight.grad = torch.tensor([FIRST])
    moves.step()
    saved = copy.deepcopy(moves.state_dict())
    for group in saved["param_groups"]:
        if "capturable" in group and not group.get("fused"):
            group["capturable"] = True  # as `follow_weights` sets it on a GPU
    resumed = optimiser(name, RATE)([weight])
    load_state(resumed, saved)
    weight.grad = torch.tensor([SECOND])
    resumed.step()
    assert float(weight.detach()) == pytest.approx(by_hand(name), rel=1e-5)


def test_weights_are_clipped_on_both_sides_in_place():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[-1.0, 0.005, 1.0]] * 3))
    before = network[0].weight
    Clip(0.01)(network)
    assert network[0].weight is before
    assert network[0].weight[0].tolist() == pytest.approx([-0.01, 0.005, 0.01])
    assert network[1].weight.tolist() == pytest.approx([0.01] * 3)
    with pytest.raises(ValueError, match="above 0"):
        Clip(0.0)
