"""What is special about each row of tahvili2025's tables."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from papergan import systems
from papergan.config.registry import PARAMETERS
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.discriminator_input import Pairs
from papergan.game.game import DiscriminatorOutput, Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.game.training_step import training_step
from papergan.networks.layers.spectral import SpectralNorm
from papergan.objectives.adversarial import Hinge, LeastSquares, NonSaturating, SwappedSides, Wasserstein
from papergan.objectives.gradient_penalties import LocalGradientPenalty
from papergan.objectives.historical_averaging import HistoricalAverage
from papergan.objectives.mixture import EvenWeights, MixtureDiscriminator, MixturePayoff
from papergan.objectives.realness import Realness, anchors, cross_entropy, histogram, skewed
from papergan.objectives.stein import SteinGradient, bandwidth, stein_direction

IMAGES = ImageSpec(3, 32, 10)


def recipes() -> dict:
    return yaml.safe_load((PARAMETERS / "tahvili2025.yml").read_text())


def build(name: str, **overrides) -> Game:
    return systems.build(name, IMAGES, {"width": 8, "latent_dim": 8} | overrides, seed=0)


def batch(count: int = 6) -> dict[str, torch.Tensor]:
    return {"image": torch.rand(count, 3, 32, 32) * 2 - 1, "label": torch.arange(count) % 10}


def a_round(game: Game, turn: int = 0) -> StepContext:
    return StepContext(game, game.turns[turn], batch(), Progress())


@pytest.mark.parametrize("name", ["wgan", "mix_wgan"])
def test_clipped_weights_stay_within_the_limit_and_a_mixtures_weights_are_left_alone(name):
    game = build(name, **({"components": 2} if name == "mix_wgan" else {}))
    if name == "mix_wgan":
        with torch.no_grad():
            game.networks["discriminator_weights"].logits.copy_(torch.tensor([1.0, -1.0]))
    training_step(game, [batch()] * game.batches_per_step, Progress())
    assert max(float(w.abs().max()) for w in game.networks["discriminator"].parameters()) <= 0.01
    if name == "mix_wgan":
        assert game.networks["discriminator_weights"].logits.abs().min() > 0.9


def test_a_mixtures_payoff_is_the_weighted_matrix_of_all_pairs():
    """Against the matrix, entry by entry, from the members themselves."""
    game = build("mix_wgan", components=3)
    with torch.no_grad():
        game.networks["prior"].weights.logits.copy_(torch.tensor([0.0, 1.0, 2.0]))
        game.networks["discriminator_weights"].logits.copy_(torch.tensor([1.0, 0.0, -1.0]))
    game.networks.eval()  # BatchNorm of a batch of all fakes is not that of a part of it
    context = a_round(game)
    (latents, _), real = context.latent(Match()), context.real(Match())
    parts = [latents[one::3] for one in range(3)]
    u = torch.tensor([0.0, 1.0, 2.0]).softmax(0)
    v = torch.tensor([1.0, 0.0, -1.0]).softmax(0)
    expected = torch.zeros(())
    for i, make in enumerate(game.networks["generator"].members):
        for j, critic in enumerate(game.networks["discriminator"].members):
            pair = critic(make(parts[i])).score.mean() - critic(real).score.mean()
            expected = expected + u[i] * v[j] * pair
    found = MixturePayoff(Wasserstein(), "discriminator")(context)
    torch.testing.assert_close(found, expected)


def test_a_mixtures_generators_want_the_critics_judgement_of_them():
    """The generators' side: sum_ij w_i w_j (-C_j(G_i)), no real image in it."""
    game = build("mix_wgan", components=2)
    with torch.no_grad():
        game.networks["prior"].weights.logits.copy_(torch.tensor([0.0, 1.0]))
        game.networks["discriminator_weights"].logits.copy_(torch.tensor([1.0, 0.0]))
    game.networks.eval()
    context = a_round(game, turn=len(game.turns) - 1)
    latents = context.latent(Match())[0]
    u, v = torch.tensor([0.0, 1.0]).softmax(0), torch.tensor([1.0, 0.0]).softmax(0)
    expected = torch.zeros(())
    for i, make in enumerate(game.networks["generator"].members):
        for j, critic in enumerate(game.networks["discriminator"].members):
            expected = expected - u[i] * v[j] * critic(make(latents[i::2])).score.mean()
    torch.testing.assert_close(MixturePayoff(Wasserstein(), "generator")(context), expected)


def test_even_weights_are_the_ones_wanted():
    """-1/T sum log w is least, log T, where all weights are the same."""
    game = build("mix_wgan", components=3)
    logits = game.networks["discriminator_weights"].logits
    even = float(EvenWeights("discriminator_weights")(a_round(game)).detach())
    assert even == pytest.approx(math.log(3))
    with torch.no_grad():
        logits.copy_(torch.tensor([1.0, 0.0, -1.0]))
    uneven = EvenWeights("discriminator_weights")(a_round(game))
    assert float(uneven.detach()) == pytest.approx(-float(logits.detach().log_softmax(0).mean()))
    assert float(uneven.detach()) > even


def test_a_mixtures_members_make_their_own_images_alone_when_sampled():
    game = build("mix_wgan", components=3)
    make = game.networks["generator"].eval()
    latents, chosen = game.networks["prior"](7, Progress())
    made = make(latents, chosen)
    for image, latent, which in zip(made, latents, chosen.argmax(1), strict=True):
        torch.testing.assert_close(image, make.members[which](latent[None])[0])
    calls = [0, 0, 0]
    for place, member in enumerate(make.members):
        member.register_forward_hook(lambda _, arguments, __, place=place: calls.__setitem__(place, len(arguments[0])))
    make(latents[:2], torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    assert calls == [0, 2, 0]


def test_more_generators_than_images_are_refused():
    game = build("mix_wgan", components=3)
    with pytest.raises(RecipeError, match="3 generators cannot share a batch of 2"):
        training_step(game, [batch(2)] * game.batches_per_step, Progress())


def test_a_mixture_samples_its_members_by_their_weights():
    game = build("mix_wgan", components=3)
    prior = game.networks["prior"]
    with torch.no_grad():
        prior.weights.logits.copy_(torch.tensor([0.1, 0.2, 0.7]).log())
    torch.manual_seed(0)
    _, chosen = prior(4000, Progress())
    torch.testing.assert_close(chosen.mean(0), torch.tensor([0.1, 0.2, 0.7]), atol=0.03, rtol=0)


def test_a_skewed_anchor_moves_its_mass_and_loses_none():
    outcomes = 5  # atoms -1, -0.5, 0, 0.5, 1
    middle = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(skewed(middle, 1.0), torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(skewed(middle, -0.25), torch.tensor([0.0, 0.5, 0.5, 0.0, 0.0]))
    spread = torch.full((outcomes,), 0.2)
    up = skewed(spread, 1.0)
    torch.testing.assert_close(up, torch.tensor([0.0, 0.0, 0.2, 0.2, 0.6]))
    assert float(skewed(torch.rand(20).softmax(0), 0.3).sum()) == pytest.approx(1.0)


def test_anchors_are_histograms():
    """Against numpy's, whose bins span the draws: fakes have a bell over all outcomes, not a peak in the middle."""
    draws = 0.1 * torch.randn(1000, dtype=torch.float64)
    theirs, _ = np.histogram(draws.numpy(), 20)
    torch.testing.assert_close(histogram(draws, 20), torch.tensor(theirs / 1000, dtype=torch.float32))
    fake, real = anchors(20, torch.device("cpu"))
    assert 0.08 < float(fake.max()) < 0.25
    assert 0.02 < float(real.min()) <= float(real.max()) < 0.09


@pytest.mark.parametrize("objective", [1, 2, 3])
def test_the_three_objectives(objective, monkeypatch):
    fake, real = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.6, 0.3, 0.1])
    monkeypatch.setattr("papergan.objectives.realness.anchors", lambda outcomes, device: (fake, real))

    class Scores:
        real = torch.randn(4, 3)
        fake = torch.randn(4, 3, requires_grad=True)

    log_q = Scores.fake.log_softmax(1)
    away = (skewed(fake, -1.0) * log_q).sum(1).mean()
    expected = {
        1: away,
        2: away - (Scores.real.softmax(1) * log_q).sum(1).mean(),
        3: away - (skewed(real, 1.0) * log_q).sum(1).mean(),
    }[objective]
    torch.testing.assert_close(Realness(objective).generator(Scores), expected)
    whole = cross_entropy(skewed(real, 1.0), Scores.real) + cross_entropy(skewed(fake, -1.0), Scores.fake)
    torch.testing.assert_close(Realness(objective).discriminator(Scores), whole)


def test_the_stein_direction_is_the_closed_form():
    """Liu and Wang 2016, eq. 8, summed by hand for a standard normal density and a kernel on the points themselves."""
    points = torch.tensor([[0.0, 1.0], [2.0, 0.0], [-1.0, -1.0]])
    squared = torch.cdist(points, points).square()
    h = bandwidth(squared)
    assert float(h) == pytest.approx(float(squared.flatten().median()) / math.log(4), rel=1e-6)
    kernel = torch.exp(-squared / h)
    expected = torch.zeros(3, 2)
    for i in range(3):
        for j in range(3):
            expected[i] += (kernel[j, i] * -points[j] - 2 / h * (points[j] - points[i]) * kernel[j, i]) / 3
    moved = points.clone().requires_grad_()
    pull = torch.exp(-(moved[:, None] - points[None]).square().sum(2) / h).sum()
    (towards,) = torch.autograd.grad(pull, moved)
    torch.testing.assert_close(stein_direction(-points, kernel, -towards), expected)


def test_steingans_generator_moves_its_samples_to_lower_energy():
    """The gradient at its images is -phi / B, from the formula, and a step against it lowers their energy."""

    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.images = nn.Parameter(torch.rand(6, 3, 32, 32) * 2 - 1)

        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return self.images

    game = build("steingan")
    game.networks.eval()
    energy, pixels = game.networks["discriminator"], Pixels()
    game.networks["generator"] = pixels
    SteinGradient()(a_round(game, turn=1)).backward()
    images = pixels.images.detach().requires_grad_()
    verdict = energy(images)
    codes = verdict.features[-1].flatten(1)
    squared = torch.cdist(codes, codes.detach()).square()
    kernel = torch.exp(-squared / bandwidth(squared.detach()))
    (towards,) = torch.autograd.grad(kernel.sum(), images, retain_graph=True)
    (slope,) = torch.autograd.grad(verdict.score.sum(), images)
    phi = (kernel.detach() @ slope.flatten(1) - towards.flatten(1)) / 6
    torch.testing.assert_close(pixels.images.grad.flatten(1), -phi / len(phi), rtol=1e-3, atol=1e-7)
    moved = images.detach() - 1e-2 * pixels.images.grad / pixels.images.grad.abs().max()
    assert energy(moved).score.mean() > energy(images).score.mean()


def test_a_rate_is_slow_while_real_images_have_less_energy():
    game = build("steingan")
    rate = game.controllers["rate"]

    class ComputedScores:
        def __init__(self, real, fake):
            self.real, self.fake = torch.tensor([real]), torch.tensor([fake])

        def discriminated_real(self, match):
            return DiscriminatorOutput(self.real)

        def discriminated_fake(self, match):
            return DiscriminatorOutput(self.fake)

    rate.observe("discriminator", ComputedScores(-1.0, -2.0))
    assert float(rate(Progress())) == pytest.approx(1e-4)
    rate.observe("discriminator", ComputedScores(-3.0, -2.0))
    assert float(rate(Progress())) == pytest.approx(5e-4)
    rate.observe("generator", ComputedScores(-1.0, -2.0))
    assert float(rate(Progress())) == pytest.approx(5e-4)


class Affine(nn.Module):
    """x = a z + b on images of one pixel, or latents of one number."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a * (x.flatten(1) if x.ndim == 4 else x[:, :, None, None]) + self.b


class OfPairs(nn.Module):
    """A quadratic form of (x, z, 1), which tells apart any two Gaussian laws of pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.form = nn.Parameter(torch.zeros(3, 3))

    def forward(self, images: torch.Tensor, latents: torch.Tensor) -> DiscriminatorOutput:
        pair = torch.cat([images.flatten(1), latents, torch.ones_like(latents)], dim=1)
        return DiscriminatorOutput((pair @ self.form * pair).sum(1))


def test_the_encoder_of_a_linear_generator_inverts_it():
    """Both learn from x = 0.5 z + 0.3; at the game's end E(G(z)) is z, Dumoulin et al. 2017, section 2.3."""
    torch.manual_seed(0)
    match, moves = Match(discriminator_input=Pairs()), adam(5e-3, (0.5, 0.99))
    game = Game(
        networks=nn.ModuleDict(
            {
                "prior": Gaussian(1),
                "generator": Affine(0.1, 0.0),
                "encoder": Affine(0.1, 0.0),
                "discriminator": OfPairs(),
            }
        ),
        players={
            "discriminator": Player(("discriminator",), moves),
            "generator": Player(("generator", "encoder", "prior"), moves),
        },
        turns=(
            Turn("discriminator", (DiscriminatorLoss(SwappedSides(), match=match),)),
            Turn("generator", (GeneratorLoss(SwappedSides(), match=match),)),
        ),
        showcase=match,
    )
    tail = []
    for step in range(3000):
        training_step(game, [{"image": 0.5 * torch.randn(256, 1, 1, 1) + 0.3}], Progress(step))
        if step >= 2000:
            z = torch.linspace(-2, 2, 9)[:, None]
            tail.append(game.networks["encoder"](game.networks["generator"](z)))
    torch.testing.assert_close(torch.stack(tail).mean(0), z, atol=0.25, rtol=0)


def test_bigans_encoder_is_a_function_and_alis_is_not():
    images = batch()["image"]
    for name, same in (("bigan", True), ("ali", False)):
        encoder = build(name).networks["encoder"].eval()
        assert torch.equal(encoder(images), encoder(images)) == same


def test_historical_averaging_is_the_distance_from_the_mean_of_all_weights():
    network = nn.Linear(1, 1, bias=False)
    average = HistoricalAverage("generator", [network])
    with torch.no_grad():
        network.weight.fill_(1.0)
    seen = [float(average.mean_0), 1.0]
    average.observe("discriminator", None)
    average.observe("generator", None)
    with torch.no_grad():
        network.weight.fill_(4.0)
    average.observe("generator", None)
    seen.append(4.0)
    assert float(average.mean_0) == pytest.approx(sum(seen) / 3)
    assert float(average.distance().detach()) == pytest.approx((4.0 - sum(seen) / 3) ** 2, rel=1e-5)
    average.distance().backward()
    assert float(network.weight.grad) == pytest.approx(2 * (4.0 - sum(seen) / 3), rel=1e-5)


def test_improved_gans_techniques_can_each_be_switched_off():
    game = build("improved_gan")
    names = {name for turn in game.turns for name in turn.names}
    assert {
        "discriminator.historical_averaging",
        "generator.historical_averaging",
        "generator.feature_matching",
    } <= names
    assert game.turns[0].objective[0].loss == NonSaturating(0.9)
    bare = build("improved_gan", feature_matching=0.0, historical_averaging=0.0, minibatch_discrimination=False)
    assert {name for turn in bare.turns for name in turn.names} == {
        "discriminator.discriminator_loss", "generator.generator_loss",
    }  # fmt: skip
    one, other = batch(2)["image"][:1], batch(2)["image"][:1]
    judge, alone = game.networks["discriminator"].eval(), bare.networks["discriminator"].eval()
    assert judge(torch.cat([one, one])).score[0] != judge(torch.cat([one, other])).score[0]
    assert alone(torch.cat([one, one])).score[0] == alone(torch.cat([one, other])).score[0]


def test_dragans_penalty_of_a_linear_critic_is_that_of_its_slope():
    class Linear(nn.Module):
        def forward(self, images: torch.Tensor) -> DiscriminatorOutput:
            return DiscriminatorOutput(0.5 * images.flatten(1).sum(1))

    game = build("dragan")
    game.networks["discriminator"] = Linear()
    slope = 0.5 * math.sqrt(3 * 32 * 32)
    assert float(LocalGradientPenalty()(a_round(game))) == pytest.approx((slope - 1) ** 2, rel=1e-5)


def test_dragan_looks_near_real_images_alone():
    """Between an image and half a deviation above it, never below: the noise of its code is not centred."""
    game, seen = build("dragan"), []

    class Watching(nn.Module):
        def forward(self, images: torch.Tensor) -> DiscriminatorOutput:
            seen.append(images.detach())
            return DiscriminatorOutput(images.flatten(1).sum(1))

    game.networks["discriminator"] = Watching()
    context = a_round(game)
    LocalGradientPenalty()(context)
    above = seen[0] - context.real(Match())
    assert float(above.min()) >= 0
    assert float(above.max()) <= 0.5 * float(context.real(Match()).std(correction=0)) + 1e-6


def test_vanilla_gan_is_dragan_without_its_penalty():
    plain, local = build("vanilla_gan"), build("dragan")
    ours, theirs = plain.networks.state_dict(), local.networks.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours | theirs)
    assert plain.turns[1].objective == local.turns[1].objective
    assert plain.turns[0].objective == local.turns[0].objective[:1]
    assert [type(term) for term in local.turns[0].objective[1:]] == [LocalGradientPenalty]
    for name in plain.optimisers:
        assert plain.optimisers[name].defaults == local.optimisers[name].defaults


def test_eiggans_attention_only_dampens_and_both_paths_carry():
    from papergan.networks.convolutional.eiggan import ParallelUp, SpatialAttention

    x = torch.rand(2, 4, 8, 8)
    attended = SpatialAttention()(x)
    assert bool(((attended >= 0) & (attended <= x)).all())
    assert bool((attended < x).any())
    up = ParallelUp(4, 2).eval()
    paths = [nn.init.constant_(path.weight, 0.1) for path in (up.transposed, up.residual)]
    whole = up(x)
    assert whole.shape == (2, 2, 16, 16)
    for weight in paths:
        nn.init.zeros_(weight)
        other = up(x)
        assert bool(((other > 0) & (other < whole)).all())
        nn.init.constant_(weight, 0.1)


def test_rows_of_table_v_with_scalar_scores_share_their_networks():
    """So that the table compares losses: same names, same shapes, from the recipes themselves."""
    shapes = {}
    for name in ("hinge_gan", "lsgan", "dcgan_sn", "wgan_sn", "wgan_gp_sn"):
        recipe = recipes()[f"{name}_cifar10"]
        game = systems.build(recipe["system"], IMAGES, recipe["overrides"], seed=0)
        shapes[name] = {key: tuple(value.shape) for key, value in game.networks.state_dict().items()}
        assert recipe["training"] == {"steps": 100000, "batch_size": 32}
        assert game.batches_per_step == 1
    assert all(one == shapes["lsgan"] for one in shapes.values())
    generator = {k: v for k, v in shapes["lsgan"].items() if k.startswith("generator")}
    for objective in (1, 2, 3):
        recipe = recipes()[f"realness_gan_{objective}_cifar10"]
        game = systems.build(recipe["system"], IMAGES, recipe["overrides"], seed=0)
        theirs = {key: tuple(value.shape) for key, value in game.networks.state_dict().items()}
        assert {k: v for k, v in theirs.items() if k.startswith("generator")} == generator


def test_adaptive_mix_is_in_both_players_moves_and_rests_in_evaluation():
    game = build("adaptive_mix")
    for turn in game.turns:
        assert f"{turn.player}.mixing" in turn.names
    judge, images = game.networks["discriminator"], batch(4)["image"]
    plain = judge.discriminator(images).score
    torch.testing.assert_close(judge.eval()(images).score, plain)
    mixed = judge.train()(images)
    assert not torch.equal(mixed.score, plain)
    assert -1 <= float(mixed.extras["mixing"]) <= 1


@pytest.mark.parametrize(
    ("name", "steps", "normalised"),
    [("conv", 5, False), ("again", 5, False), ("single", 1, False), ("sn", 1, True)],
)
def test_the_guises_of_wgan_gp(name, steps, normalised):
    recipe = recipes()[f"wgan_gp_{name}_cifar10"]
    game = systems.build(recipe["system"], IMAGES, recipe.get("overrides", {}), seed=0)
    assert game.batches_per_step == steps
    assert [type(term).__name__ for term in game.turns[0].objective] == ["DiscriminatorLoss", "GradientPenalty"]
    assert any(isinstance(m, SpectralNorm) for m in game.networks.modules()) == normalised
    assert not [m for m in game.networks["discriminator"].modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize(("name", "loss"), [("hinge_gan", Hinge()), ("lsgan", LeastSquares(0.0, 1.0, 1.0))])
def test_losses_on_the_networks_of_table_v(name, loss):
    game = build(name)
    assert [turn.objective for turn in game.turns] == [(DiscriminatorLoss(loss),), (GeneratorLoss(loss),)]


def test_a_bandwidth_is_never_nothing():
    assert float(bandwidth(torch.zeros(2, 2))) == pytest.approx(1e-6)


class Constant(nn.Module):
    """The same score and feature for every image."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images):
        score = torch.full((len(images),), self.value)
        return DiscriminatorOutput(score, (score[:, None],))


def test_a_mixture_s_score_is_the_mean_and_its_features_are_the_first_one_s():
    found = MixtureDiscriminator([Constant(1.0), Constant(4.0)])(torch.zeros(2, 1, 1, 1))
    assert (found.score.tolist(), found.features[0].tolist()) == ([2.5, 2.5], [[1.0], [1.0]])


def test_realness_anchors_the_generator_s_second_objective_at_constant_real_scores():
    real, fake = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    real, fake = real.requires_grad_(), fake.requires_grad_()
    Realness(2).generator(SimpleNamespace(real=real, fake=fake)).backward()
    assert real.grad is None
    assert fake.grad is not None


@pytest.mark.parametrize("convolution", ["depthwise_separable", "depthwise_separable_both"])
def test_historical_averages_are_of_the_weights_that_are_trained(convolution):
    """Convolutions are replaced after the system has built its game."""
    game = build("improved_gan", convolution=convolution, width=16)
    averages = [one for one in game.controllers.values() if isinstance(one, HistoricalAverage)]
    assert len(averages) == 2
    assert [float(one.distance()) for one in averages] == [0.0, 0.0]
    report = training_step(game, [{"image": torch.rand(4, 3, 32, 32) * 2 - 1, "label": torch.arange(4)}], Progress())
    assert all(math.isfinite(float(value)) for value in report.values())
    assert all(0.0 < float(one.distance()) < math.inf for one in averages)
