"""What bfloat16 may change and what not: networks run in it; losses, penalties and statistics stay in float32."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from helpers.small_systems import each_system, pixels_of_inputs, small, spec, with_input
from papergan import systems
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSpec
from papergan.data.preparation import resized
from papergan.evaluation.image_features import features_of
from papergan.extractors.domain_classifier import DomainExtractor
from papergan.extractors.domain_training import train_domain_classifier
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import optimiser_step, training_step
from papergan.image_range import to_pixels
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.networks.layers.drawing import MinibatchDiscrimination
from papergan.networks.layers.spectral import SpectralNorm
from papergan.objectives.gradient_penalties import R1, R2, GradientPenalty, LocalGradientPenalty
from papergan.objectives.learned_priors import CommonFeatures, GaussianMixture
from papergan.objectives.mixture import Members, MixturePayoff
from papergan.objectives.realness import skewed
from papergan.objectives.stein import SteinGradient
from papergan.training.batches import Batches

FEW = 16  # normalising over no more numbers (a pixel of 12 images, 4x4 pixels of one) makes rounding large
PENALTIES = (GradientPenalty, LocalGradientPenalty, SteinGradient)
PRECISIONS = (None, torch.bfloat16)


class Step:
    """One step of 12 images, and what was seen of it on the way.

    report: as `play` returns it. given: what each player's optimiser was handed at each of its moves. shown: types of
    what a discriminator saw; convolved: of results of convolutions and products, by whether autocast was on; divided:
    of normalised weights. normalised: of how many numbers the least BatchNorm took its statistics. penalised: whether
    a derivative that is itself to be differentiated was taken outside autocast.
    """

    def __init__(self, name: str, autocast: torch.dtype | None) -> None:
        self.game = game = systems.build(name, spec(name, size=16), small(name), seed=0)
        self.given: dict[str, list[Tensor]] = {player: [] for player in game.players}
        self.shown: set[torch.dtype] = set()
        self.convolved: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
        self.divided: set[torch.dtype] = set()
        self.normalised, self.penalised = sys.maxsize, False
        for player, optimiser in game.optimisers.items():
            optimiser.step = partial(self._note_gradients, player)
        judge = game.networks[game.showcase.discriminator]
        for one in judge.members if isinstance(judge, Members) else [judge]:
            one.register_forward_pre_hook(lambda module, given: self.shown.add(given[0].dtype))
        for module in game.networks.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | SpectralNorm):
                module.register_forward_hook(self._note_type)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.register_forward_pre_hook(self._note_count)
            if isinstance(module, nn.InstanceNorm2d):
                module.register_forward_pre_hook(self._note_pixels)
        torch.manual_seed(0)
        real = [
            with_input(
                {"image": torch.rand(12, 3, 16, 16) * 2 - 1, "label": torch.arange(12) % 10}, spec(name, size=16)
            )
            for _ in range(game.batches_per_step)
        ]
        with patch.object(torch.autograd, "grad", self._noted(torch.autograd.grad)):
            self.report = training_step(game, real, Progress(), autocast=autocast)

    def _note_gradients(self, player: str) -> None:
        weights = [weight for group in self.game.optimisers[player].param_groups for weight in group["params"]]
        self.given[player].append(torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]))

    def _noted(self, grad: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, create_graph: bool = False, **more: Any) -> Any:
            self.penalised |= create_graph and not torch.is_autocast_enabled("cpu")
            return grad(*given, create_graph=create_graph, **more)

        return noted

    def _note_count(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.normalised = min(self.normalised, given[0].numel() // given[0].shape[1])

    def _note_pixels(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        self.normalised = min(self.normalised, given[0][0, 0].numel())

    def _note_type(self, module: nn.Module, given: object, result: Tensor) -> None:
        seen = self.divided if isinstance(module, SpectralNorm) else self.convolved[torch.is_autocast_enabled("cpu")]
        seen.add(result.dtype)


@cache
def coarse_step(name: str) -> Step:
    return Step(name, torch.bfloat16)


@pytest.mark.parametrize("name", each_system())
def test_a_step_in_bfloat16_is_the_step_in_float32_to_its_three_digits(name):
    exact, coarse = Step(name, None), coarse_step(name)
    if exact.normalised <= FEW:
        pytest.skip(f"normalised over {exact.normalised} numbers: rounding is large")
    for key, value in exact.report.items():
        assert coarse.report[key].item() == pytest.approx(value.item(), rel=0.03, abs=2e-3), key
    for player, moves in exact.given.items():
        for one, other in zip(moves, coarse.given[player], strict=True):
            assert torch.cosine_similarity(one, other, dim=0) > 0.97
            assert (other.norm() / one.norm()).item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", each_system())
def test_what_decides_quality_stays_in_float32(name):
    step = coarse_step(name)
    penalised = step.penalised or any(
        turn.differentiated or any(isinstance(term, PENALTIES) for term in turn.objective) for turn in step.game.turns
    )
    assert step.shown == {torch.float32}
    assert step.convolved[True] == {torch.bfloat16}
    assert step.convolved[False] == ({torch.float32} if penalised else set())
    assert step.divided <= {torch.float32}
    assert {value.dtype for value in step.report.values()} == {torch.float32}
    assert {move.dtype for moves in step.given.values() for move in moves} == {torch.float32}
    assert {tensor.dtype for tensor in step.game.networks.state_dict().values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize(("penalties", "exact"), [((R1,), [True, False]), ((R2,), [False, True]), ((), [False, False])])
def test_only_the_side_that_a_penalty_differentiates_stays_in_float32(penalties, exact):
    game = systems.build("dcgan", ImageSpec(3, 16, 0), small("dcgan"), seed=0)
    turn = replace(game.turns[0], objective=(*game.turns[0].objective, *(penalty() for penalty in penalties)))
    seen: list[bool] = []
    convolution = next(m for m in game.networks["discriminator"].modules() if isinstance(m, nn.Conv2d))
    convolution.register_forward_hook(lambda module, given, result: seen.append(result.dtype == torch.float32))
    made: set[torch.dtype] = set()
    upsampling = next(m for m in game.networks["generator"].modules() if isinstance(m, nn.ConvTranspose2d))
    upsampling.register_forward_hook(lambda module, given, result: made.add(result.dtype))
    batch = {"image": torch.rand(12, 3, 16, 16) * 2 - 1}
    optimiser_step(game, turn, batch, Progress(), None, torch.bfloat16)
    assert seen == exact  # the real side first
    assert made == {torch.bfloat16}


PRODUCTS: dict[str, Callable[[], Tensor]] = {  # of this project's own formulas, in which bfloat16 would be too coarse
    "mixture payoff": lambda: mixture_payoff(torch.tensor([0.501, 0.5, 0.499])),
    "minibatch discrimination": lambda: MinibatchDiscrimination(64)(1 + 0.003 * torch.randn(8, 64))[:, 64:],
    "skewed anchor": lambda: skewed(torch.linspace(0.0, 1.0, 20), 0.3),
    "mixture of Gaussians": lambda: GaussianMixture(8, 5)(6, Progress())[0],
    "common features": lambda: CommonFeatures(8, 1)(6, Progress())[0],
    "Stein direction": lambda: stein_gradient(),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_formulas_are_in_float32_under_autocast_too(name):
    found = list[Tensor]()
    for autocast in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found.append(PRODUCTS[name]())
    assert found[1].dtype == torch.float32
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-7)


def mixture_payoff(payoffs: Tensor) -> Tensor:
    """The gradient of the mixture's logits where each generator has the same payoff against all discriminators."""
    game = systems.build("mix_wgan", spec("mix_wgan", size=16), small("mix_wgan"), seed=0)
    context = StepContext(game, game.turns[-1], spec("mix_wgan", size=16).random_batch(6), Progress())
    (term,) = (term for term in game.turns[-1].objective if isinstance(term, MixturePayoff))
    logits = game.networks["prior"].weights.logits.requires_grad_()
    with patch.object(MixturePayoff, "_row", lambda *_: payoffs):
        value = term(context)
    with torch.autocast("cpu", enabled=False):  # as training steps differentiate
        value.backward()
    assert logits.grad is not None
    return logits.grad


def stein_gradient() -> Tensor:
    """The direction of a kernel whose numbers bfloat16 cannot tell apart."""
    game = systems.build("steingan", spec("steingan", size=16), small("steingan"), seed=0)
    (term,) = (term for turn in game.turns for term in turn.objective if isinstance(term, SteinGradient))
    context = StepContext(game, game.turns[-1], spec("steingan", size=16).random_batch(6), Progress())
    return term._direction(context, context.batch["image"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", each_system())
def test_a_hundred_steps_in_bfloat16_matter_less_than_luck(name):
    """From the same weights: the same draws in bfloat16 lead less far away than other draws in float32.

    In weights, and not twice as far in what the data set's classifier makes of the samples. Scores of so short a
    training could not show it: between seeds they differ by more than training gains.
    """
    if (numbers := coarse_step(name).normalised) <= FEW:
        pytest.skip(f"normalised over {numbers} numbers: rounding is large")
    images, held_out = (
        resized(synthetic_shapes(split, count), 16) for split, count in (("train", 2000), ("test", 400))
    )
    judge = DomainExtractor.from_weights(train_domain_classifier(images, held_out, epochs=2))

    def trained(draws: int, autocast: torch.dtype | None) -> tuple[Tensor, FeatureStatistics]:
        kind = spec(name, size=16, classes=len(images.classes))
        game, inputs = systems.build(name, kind, small(name), seed=0), pixels_of_inputs(kind, len(images))
        batches = Batches(images.images, images.labels, batch_size=32, seed=draws, device="cpu", inputs=inputs)
        count = 0
        for step in range(100):
            torch.manual_seed(1000 * draws + step)
            count += game.batches_per_step
            real = [batches.at(index) for index in range(count - game.batches_per_step, count)]
            training_step(game, real, Progress(step), autocast=autocast)
        weights = torch.cat([weight.flatten() for weight in game.networks.parameters()])
        stream = game.sampler(averaged=False).stream(1000, seed=0)
        seen = features_of(judge, torch.cat([to_pixels(batch) for batch in stream]), 250)
        return weights, FeatureStatistics.of(seen.features)

    exact, other, coarse = trained(0, None), trained(1, None), trained(0, torch.bfloat16)
    away, luck = ((one[0] - exact[0]).norm().item() for one in (coarse, other))
    seen_away, seen_luck = (frechet_distance(one[1], exact[1]) for one in (coarse, other))
    print(f"{name}: weights {away:.3g} away, luck {luck:.3g}; features {seen_away:.3g} away, luck {seen_luck:.3g}")
    assert away < luck
    assert seen_away < 2 * seen_luck  # of samples that are hardly images yet, a distance is half noise
