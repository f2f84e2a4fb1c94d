"""What is special about the standard GAN of gan_optimisation_review: its parts are settings."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.priors import Gaussian
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.networks.layers.drawing import Dropout
from papergan.objectives.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from papergan.objectives.diversity import Diversity
from papergan.objectives.mmd import Discrepancy

IMAGES = ImageSpec(1, 12, 10)
LOSSES = {
    "non_saturating": NonSaturating, "minimax": Minimax, "wasserstein": Wasserstein, "least_squares": LeastSquares,
    "hinge": Hinge, "mmd": Discrepancy,
}  # fmt: skip
OPTIMISERS = {
    "adam": torch.optim.Adam, "sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta,
}  # fmt: skip


def build(**settings):
    return systems.build("gan", IMAGES, {"width": 8, "latent_dim": 6} | settings, seed=0)


def moved(game, steps: int = 2) -> dict[str, float]:
    for step in range(steps):
        torch.manual_seed(step)
        batch = [{"image": torch.rand(8, 1, 12, 12) * 2 - 1} for _ in range(game.batches_per_step)]
        report = training_step(game, batch, Progress(step, 8 * step, float(step)))
    return {name: float(value) for name, value in report.items()}


def test_by_default_it_is_what_the_document_states():
    game = build()
    assert isinstance(game.networks["prior"], Gaussian)
    for optimiser in game.optimisers.values():
        assert isinstance(optimiser, torch.optim.Adam)
        assert optimiser.param_groups[0]["lr"] == 2e-4
        assert optimiser.param_groups[0]["betas"] == (0.5, 0.999)
    assert [turn.player for turn in game.turns] == ["discriminator", "generator"]
    sizes = [layer.out_features for layer in game.networks["generator"].layers if isinstance(layer, nn.Linear)]
    assert sizes == [8, 16, 32, 144]


@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "wasserstein", "least_squares", "hinge", "mmd"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd", "momentum", "rmsprop", "adagrad", "adadelta"])
def test_every_loss_with_every_optimiser_moves_both_players(loss, optimiser):
    game = build(loss=loss, optimiser_name=optimiser, learning_rate=1e-2)
    before = {name: tensor.clone() for name, tensor in game.networks.state_dict().items()}
    assert [type(turn.objective[0].loss) for turn in game.turns] == [LOSSES[loss]] * 2
    assert {type(one) for one in game.optimisers.values()} == {OPTIMISERS[optimiser]}
    assert all(abs(value) < 1e6 for value in moved(game).values())
    after = game.networks.state_dict()
    for player in ("generator", "discriminator"):
        assert any(not torch.equal(before[n], after[n]) for n in after if n.startswith(player))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("normalisation", ["none", "batch", "layer", "spectral"])
def test_every_activation_with_every_normalisation(activation, normalisation):
    settings = {"normalisation": normalisation, "discriminator_normalisation": normalisation}
    game = build(activation=activation, **settings)
    kinds = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
    for network in ("generator", "discriminator"):
        found = [type(module) for module in game.networks[network].modules()]
        hidden = [kind for kind in found if kind in kinds.values()]
        assert hidden.count(kinds[activation]) >= 2
        assert set(hidden) <= {kinds[activation], nn.Tanh}  # the generator's last
    assert all(math.isfinite(value) for value in moved(game).values())


def test_dropout_is_where_it_was_asked_for():
    game = build(dropout=0.25, discriminator_dropout=0.5)
    for network, share in (("generator", 0.25), ("discriminator", 0.5)):
        shares = [module.p for module in game.networks[network].modules() if isinstance(module, Dropout)]
        assert shares
        assert set(shares) == {share}


def test_all_numbers_of_least_squares_can_be_chosen():
    """Pearson's form, a -1, b 1, c 0, and gan_optimisation_review's equation 4 without the generator's factor."""
    game = build(loss="least_squares", fake_target=-1.0, real_target=1.0, aim=0.0, half=False)
    assert game.turns[0].objective[0].loss == LeastSquares(-1.0, 1.0, 0.0, half=False)


def test_a_spectrally_normalised_discriminator_is_so_up_to_its_score():
    game = build(discriminator_normalisation="spectral", discriminator_dropout=0.0)
    moved(game, 10)
    discriminator = game.networks["discriminator"].eval()
    for layer in discriminator.modules():
        if isinstance(layer, nn.Linear):
            assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1.0, abs=0.15)


def test_regularisers_are_terms_and_constraints():
    report = moved(build(feature_matching=1.0, diversity=0.5, gradient_penalty=10.0, minibatch="l1"))
    assert {"generator.feature_matching", "generator.diversity", "discriminator.gradient_penalty"} <= set(report)
    assert report["generator.diversity"] <= 0
    game = build(loss="wasserstein", clip=0.01, discriminator_steps=3)
    moved(game)
    assert max(float(w.abs().max()) for w in game.networks["discriminator"].parameters()) <= 0.01 + 1e-9
    assert game.batches_per_step == 3


def test_diversity_by_hand():
    game = build(diversity=1.0)
    turn = game.turns[1]
    context = StepContext(game, turn, {"image": torch.zeros(3, 1, 12, 12)}, Progress())
    (term,) = [one for one in turn.objective if isinstance(one, Diversity)]
    (z,), fake = context.latent(term.match), context.fake(term.match)
    expected = [(fake[i] - fake[i - 1]).abs().mean() / ((z[i] - z[i - 1]).abs().mean() + 1e-5) for i in range(3)]
    torch.testing.assert_close(term(context), -torch.stack(expected).mean())


def test_minibatch_discrimination_sees_the_batch():
    game = build(minibatch="l1", minibatch_kernels=7, discriminator_dropout=0.0)
    assert game.networks["discriminator"].head[0].kernels == 7
    discriminator = game.networks["discriminator"]
    images = torch.rand(4, 1, 12, 12)
    alone = torch.cat([discriminator(image[None]).score for image in images])
    assert not torch.allclose(discriminator(images).score, alone)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"loss": "hinge", "real_target": 0.9}, "labels of losses non_saturating and least_squares; 'hinge' has none"),
        ({"loss": "hinge", "aim": 0.0}, "aim and half are of loss least_squares; 'hinge' has none"),
        ({"fake_target": -0.5}, "fake_target: a label of loss non_saturating lies in 0..1"),
        ({"normalisation": "instance"}, "normalisation 'instance' does not exist for vectors"),
        ({"optimiser_name": "lion"}, "'optimiser_name'"),
        ({"dropout": 1.0}, "less than 1"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, fault):
    with pytest.raises(RecipeError, match=fault):
        build(**settings)


def test_diversity_of_equal_latents_is_bounded_by_its_constant():
    fake = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)  # apart by 3, 1 and 2
    here = SimpleNamespace(latent=lambda match: (torch.zeros(3, 2),), fake=lambda match: fake)
    assert float(Diversity()(here)) == pytest.approx(-2 / 1e-5)
