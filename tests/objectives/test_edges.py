"""Edges, and what song2023's edge loss does to either player."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.data.sobel import sobel
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.edges import LiteralEdge, SobelEdge


def test_sobel_is_that_of_scipy():
    image = np.random.default_rng(0).standard_normal((9, 9))
    across, down = (ndimage.sobel(image, axis, mode="mirror") / 4 for axis in (1, 0))
    expected = np.sqrt(across**2 + down**2 + 1e-6)
    np.testing.assert_allclose(sobel(torch.from_numpy(image)[None, None])[0, 0].numpy(), expected, rtol=1e-12)


def test_a_colour_image_is_judged_by_its_luminance():
    grey = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(sobel(grey.expand(-1, 3, -1, -1)), sobel(grey), atol=1e-5, rtol=1e-4)
    red = torch.cat([grey, torch.zeros(2, 2, 8, 8)], dim=1)
    torch.testing.assert_close(sobel(red), sobel(0.299 * grey), atol=1e-6, rtol=1e-4)


def test_a_flat_image_has_no_edges_and_a_finite_gradient():
    image = torch.zeros(1, 3, 8, 8, requires_grad=True)
    edges = sobel(image)
    assert float(edges.max()) == pytest.approx(1e-3)
    edges.sum().backward()
    assert torch.isfinite(image.grad).all()


def a_round(edge_loss: str, turn: int) -> tuple[StepContext, torch.Tensor]:
    game = systems.build("cft_gan", ImageSpec(3, 16), {"width": 4, "edge_loss": edge_loss, "latent_dim": 4}, seed=0)
    real = torch.rand(5, 3, 16, 16) * 2 - 1
    return StepContext(game, game.turns[turn], {"image": real}, Progress()), real


@pytest.mark.parametrize(("turn", "player"), [(0, "discriminator"), (1, "generator")])
def test_the_literal_edge_loss_has_no_gradient_for_the_discriminator(turn, player):
    """song2023 says that its eq. 3 lets the discriminator take shape into account and slows it down. It cannot."""
    context, real = a_round("literal", turn)
    term = next(term for term in context.turn.objective if isinstance(term, LiteralEdge))
    with context.game.learning(player):
        value = term(context)
        expected = ((context.fake(term.match) - real) ** 2).sum() / 5
        weights = [w for n in context.game.players[player].networks for w in context.game.networks[n].parameters()]
        reached = value.requires_grad
        gradients = torch.autograd.grad(value, weights, allow_unused=True) if reached else [None] * len(weights)
    torch.testing.assert_close(value, expected)
    felt = [g is not None and float(g.abs().max()) > 0 for g in gradients]
    assert not any(felt) if player == "discriminator" else any(felt)
    assert float(term.weight) == (-1 if player == "discriminator" else 1)  # it maximises what the other minimises


def test_a_discriminator_learns_the_same_with_the_literal_edge_loss_and_without():
    weights = []
    for edge_loss in ("literal", "none"):
        game = systems.build("cft_gan", ImageSpec(3, 16), {"width": 4, "edge_loss": edge_loss, "latent_dim": 4}, seed=0)
        torch.manual_seed(0)
        report = training_step(game, [{"image": torch.rand(6, 3, 16, 16) * 2 - 1}], Progress())
        weights.append(torch.cat([w.flatten() for w in game.networks["discriminator"].parameters()]))
    assert torch.equal(*weights)
    assert "discriminator.literal_edge" not in report


def test_the_sobel_form_compares_edges_and_moves_the_generator_alone():
    context, real = a_round("sobel", 1)
    (term,) = [term for term in context.turn.objective if isinstance(term, SobelEdge)]
    expected = (sobel(context.fake(term.match)) - sobel(real)).square().mean()
    torch.testing.assert_close(term(context), expected)
    assert not [term for term in a_round("sobel", 0)[0].turn.objective if isinstance(term, SobelEdge)]


def test_a_discriminator_that_is_shown_edges_feels_them():
    game = systems.build("cft_gan", ImageSpec(1, 16), {"width": 4, "edge_loss": "discriminator"}, seed=0)
    judge = game.networks["discriminator"]
    first = judge.discriminate.layers[0]
    assert first.weight.shape[1] == 2
    images = torch.rand(4, 1, 16, 16)
    before = judge(images).score
    with torch.no_grad():
        first.weight[:, 1].zero_()  # blind to edges
    assert not torch.equal(judge(images).score, before)
