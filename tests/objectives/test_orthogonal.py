"""Orthogonal regularisation against its equation by hand, its gradient, and what it leaves out."""

from __future__ import annotations

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.objectives.orthogonal import OrthogonalRegularisation, orthogonality

IMAGES = ImageSpec(3, 16, 3)
SMALL = {"latent_dim": 8, "generator_width": 8, "discriminator_width": 8}


def test_only_products_of_different_rows_count():
    weight = torch.tensor([[1.0, 2.0], [3.0, -1.0]])  # the product of its rows is 1, twice
    assert orthogonality([weight, torch.randn(7)]).item() == 2.0
    assert orthogonality([5 * torch.eye(3)]).item() == 0.0
    kernels = torch.randn(4, 3, 2, 2)
    by_hand = sum(float((kernels[i] * kernels[j]).sum()) ** 2 for i in range(4) for j in range(4) if i != j)
    assert orthogonality([kernels]).item() == pytest.approx(by_hand, rel=1e-5)


def test_the_gradient_is_twice_what_the_authors_code_adds():
    weight = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(orthogonality([weight]), weight)
    rows = weight.detach().flatten(1)
    added = 2 * (rows @ rows.T * (1 - torch.eye(4, dtype=torch.float64))) @ rows
    torch.testing.assert_close(gradient.flatten(1), 2 * added)


@pytest.mark.parametrize(
    ("settings", "left"),
    [({}, {"gain", "bias"}), ({"shared_dim": 4, "hierarchical": True}, {"shared"})],
    ids=["embeddings of layers", "shared"],
)
def test_weights_before_normalisation_have_a_part_and_embeddings_of_classes_none(settings, left):
    game = systems.build("biggan", IMAGES, {**SMALL, **settings, "orthogonal": 1e-4}, seed=0)
    turn = game.turns[-1]
    (term,) = [one for one in turn.objective if isinstance(one, OrthogonalRegularisation)]
    assert (term.weight, turn.names) == (1e-4, ("generator.generator_loss", "generator.orthogonal_regularisation"))
    batch = {"image": torch.zeros(2, 3, 16, 16), "label": torch.arange(2)}
    generator = game.networks["generator"].requires_grad_(True)
    value = term(StepContext(game, turn, batch, Progress()))
    value.backward()
    expected = 0.0
    for name, weight in generator.named_parameters():
        counts = weight.ndim > 1 and left.isdisjoint(name.split("."))
        assert (weight.grad is not None) == counts, name
        if counts:
            rows = weight.detach().flatten(1)
            expected += float((rows @ rows.T * (1 - torch.eye(len(rows)))).square().sum())
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_it_is_off_by_default():
    assert systems.build("biggan", IMAGES, SMALL, seed=0).turns[-1].names == ("generator.generator_loss",)
