"""Parts that gan_optimisation_review names: activations, dropout, mini-batch discrimination, upsampling."""

from __future__ import annotations

import math

import pytest
import torch

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.networks.layers.activations import activation
from papergan.networks.layers.drawing import Dropout, MinibatchDiscrimination
from papergan.networks.layers.normalisation import normalised
from papergan.networks.layers.upsampling import upsampling


@pytest.mark.parametrize(
    ("name", "at_minus_two", "at_one"),
    [
        ("sigmoid", 1 / (1 + math.e**2), 1 / (1 + 1 / math.e)),
        ("relu", 0.0, 1.0),
        ("leaky_relu", -2 * 0.3, 1.0),
        ("tanh", math.tanh(-2), math.tanh(1)),
    ],
)
def test_activations_by_hand(name, at_minus_two, at_one):
    found = activation(name, slope=0.3)(torch.tensor([-2.0, 1.0])).tolist()
    assert found == pytest.approx([at_minus_two, at_one])


def test_an_activation_of_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        activation("gelu")


def test_dropout_drops_its_share_keeps_the_mean_and_rests_in_evaluation():
    torch.manual_seed(0)
    layer, x = Dropout(0.3), torch.ones(2000, 10)
    out = layer(x)
    assert float((out == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.02)
    assert sorted(out.unique().tolist()) == pytest.approx([0.0, 1 / 0.7])
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        Dropout(1.0)


def test_whole_maps_are_dropped_together():
    torch.manual_seed(0)
    out = Dropout(0.5, whole_maps=True)(torch.ones(50, 8, 3, 3)).flatten(2)
    assert ((out == 0).all(2) | (out > 0).all(2)).all()
    assert 0.4 < float((out[:, :, 0] == 0).float().mean()) < 0.6


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_minibatch_discrimination_by_hand(distance):
    layer = MinibatchDiscrimination(2, kernels=1, dimensions=2, distance=distance)
    with torch.no_grad():
        layer.map.copy_(torch.eye(2)[:, None])  # M is the features themselves
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    out = layer(x)
    assert torch.equal(out[:, :2], x)

    def d(i: int, j: int) -> float:
        a, b = (float((x[i, n] - x[j, n]).abs()) for n in (0, 1))
        return a + b if distance == "l1" else math.sqrt(a * a + b * b)

    expected = [sum(math.exp(-d(i, j)) for j in range(3) if j != i) for i in range(3)]
    assert out[:, 2].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_a_collapsed_batch_is_seen_and_gradients_are_finite(distance):
    layer = MinibatchDiscrimination(4, kernels=3, dimensions=2, distance=distance)
    same = torch.ones(5, 4, requires_grad=True)
    out = layer(same)
    assert out[:, 4:].tolist() == [pytest.approx([4.0] * 3, abs=1e-4)] * 5
    out.sum().backward()
    assert torch.isfinite(same.grad).all()


@pytest.mark.parametrize("kind", ["transposed", "resize", "subpixel"])
def test_upsampling_doubles_the_resolution(kind):
    assert upsampling(kind, 3, 5)(torch.randn(2, 3, 6, 6)).shape == (2, 5, 12, 12)


def test_an_even_image_stays_even_by_resizing_and_not_by_a_transposed_convolution():
    """Where checkerboards come from: with random weights, pixels of different parity differ."""
    torch.manual_seed(0)

    def unevenness(kind: str) -> float:
        out = upsampling(kind, 1, 1)(torch.ones(1, 1, 8, 8))[0, 0, 4:-4, 4:-4]
        return float(out.detach().std())

    assert unevenness("resize") < 1e-6
    assert unevenness("transposed") > 1e-3
    assert unevenness("subpixel") > 1e-3


def test_a_way_up_of_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown upsampling 'bilinear'"):
        upsampling("bilinear", 1, 1)


@pytest.mark.parametrize(
    ("kind", "over"),
    [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))],
)
def test_normalisation_of_maps_by_hand(kind, over):
    """Over the batch and the positions, over an image, over a map of an image."""
    x = torch.randn(4, 3, 5, 5) * 3 + 1
    layer, norm = normalised(torch.nn.Identity(), kind, 3, maps=True)
    mean, variance = x.mean(over, keepdim=True), x.var(over, correction=0, keepdim=True)
    torch.testing.assert_close(norm(layer(x)), (x - mean) / (variance + 1e-5).sqrt(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "over"), [("batch", (0,)), ("layer", (1,))])
def test_normalisation_of_vectors_by_hand(kind, over):
    x = torch.randn(4, 6) * 3 + 1
    _, norm = normalised(torch.nn.Identity(), kind, 6, maps=False)
    mean, variance = x.mean(over, keepdim=True), x.var(over, correction=0, keepdim=True)
    torch.testing.assert_close(norm(x), (x - mean) / (variance + 1e-5).sqrt(), rtol=1e-4, atol=1e-5)


def test_spectral_normalisation_makes_the_largest_singular_value_one():
    (layer,) = normalised(torch.nn.Linear(6, 4), "spectral", 4, maps=False)
    for _ in range(50):
        layer(torch.randn(2, 6))
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1.0, rel=1e-3)


def test_instance_normalisation_of_vectors_is_refused():
    with pytest.raises(ValueError, match="'instance' does not exist for vectors"):
        normalised(torch.nn.Linear(2, 2), "instance", 2, maps=False)


@pytest.mark.parametrize("kind", ["none", "layer", "instance"])
def test_dcgan_takes_every_normalisation(kind):
    game = systems.build("dcgan", ImageSpec(1, 32), {"width": 4, "latent_dim": 4, "normalisation": kind}, seed=0)
    assert not [m for m in game.networks.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    report = training_step(game, [{"image": torch.rand(4, 1, 32, 32)}], Progress())
    assert all(bool(value.isfinite()) for value in report.values())
