"""Path length regularisation against explicit Jacobians, and its running mean."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import sgd
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.style_generator import StyleGenerator, StyleLatents
from papergan.game.training_step import training_step
from papergan.networks.style_based.stylegan2 import Synthesis
from papergan.objectives.path_length import MeanPathLength, PathLength, path_lengths


class Linear(nn.Module):
    """A synthesis of two layers, g(w) = A_1 w_1 + A_2 w_2, of images [B, 1, 2, 2]."""

    num_layers = 2

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, 4, 3))

    def forward(self, styles: Tensor) -> Tensor:
        return torch.einsum("lpw,blw->bp", self.weights, styles).view(-1, 1, 2, 2)


def game_of(term: PathLength) -> Game:
    torch.manual_seed(0)
    networks = {"prior": StyleLatents(3), "generator": StyleGenerator(nn.Identity(), Linear(), 3, mixing=0, decay=0.9)}
    networks["generator"].mapping.forward = lambda latent, classes: latent * 1.0
    networks["discriminator"] = nn.Linear(1, 1)
    return Game(
        nn.ModuleDict(networks), {"generator": Player(("generator",), sgd(0.1))}, (Turn("generator", (term,)),),
        controllers={"path": term.mean},
    )  # fmt: skip


def noise_of(count: int, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(count, 1, 2, 2) / math.sqrt(4)


def test_lengths_of_a_linear_synthesis_by_hand():
    torch.manual_seed(0)
    synthesis, styles = Linear(), torch.randn(5, 2, 3, requires_grad=True)
    y = noise_of(5, seed=1).flatten(1)
    torch.manual_seed(1)
    found = path_lengths(synthesis(styles), styles)
    by_layer = torch.einsum("lpw,bp->blw", synthesis.weights, y)  # A_l^T y
    torch.testing.assert_close(found, by_layer.square().sum(2).mean(1).sqrt())
    found.square().mean().backward()
    wanted = torch.einsum("bp,blw->lpw", y, by_layer) / 5  # d mean_B mean_l |A^T y|^2 / dA = 2 y (A^T y)^T / (2 B)
    torch.testing.assert_close(synthesis.weights.grad, wanted)


def test_lengths_of_a_styled_synthesis_against_its_jacobian():
    torch.manual_seed(0)
    synthesis = Synthesis(ImageSpec(1, 8, 0), 3, 64, 4).eval()
    styles = torch.randn(1, 4, 3, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(synthesis, styles).view(64, 12)
    torch.manual_seed(1)
    y = torch.randn(64) / 8
    torch.manual_seed(1)
    found = path_lengths(synthesis(styles), styles)
    torch.testing.assert_close(found[0], ((y @ jacobian).square().sum() / 4).sqrt(), rtol=1e-4, atol=0)


def test_the_penalty_is_about_a_mean_that_has_this_step_in_it():
    term = PathLength(mean=MeanPathLength(0.25))
    game = game_of(term)
    term.mean.mean.fill_(2.0)
    context = StepContext(game, game.turns[0], {"image": torch.zeros(6, 1, 2, 2)}, Progress())
    value = term(context)
    lengths = term.lengths(context)
    assert lengths.shape == (3,)  # of every second latent
    mean = 0.75 * 2.0 + 0.25 * lengths.mean()
    torch.testing.assert_close(value, (lengths - mean).square().mean())
    assert term.mean.mean == 2.0  # until the step is done
    term.mean.observe("generator", context)
    torch.testing.assert_close(term.mean.mean, mean)


def test_the_mean_moves_with_steps_on_the_term_and_is_in_checkpoints():
    term = PathLength(mean=MeanPathLength(0.5))
    game = game_of(term)
    report = training_step(game, [{"image": torch.zeros(4, 1, 2, 2)}], Progress())
    assert report["path.mean"] > 0
    assert game.state_dict()["controllers"]["path"]["mean"] == report["path.mean"]
    other = StepContext(game, Turn("generator", (PathLength(match=Match()),)), {}, Progress())
    term.mean.observe("generator", other)  # of another mean
    assert term.mean.mean == report["path.mean"]


def test_steps_on_the_term_draw_lengths_together():
    term = PathLength(mean=MeanPathLength(0.01), shrink=1)
    game = game_of(term)
    batch = {"image": torch.zeros(64, 1, 2, 2)}
    values = []
    for step in range(60):
        torch.manual_seed(step)
        values.append(float(training_step(game, [batch], Progress(step))["generator.path_length"]))
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_every_nth_latent_is_taken(shrink):
    term = PathLength(shrink=shrink)
    game = game_of(term)
    context = StepContext(game, game.turns[0], {"image": torch.zeros(4, 1, 2, 2)}, Progress())
    assert len(term.lengths(context)) == 4 // shrink
