"""The Dirac-GAN: a generator of one point and a linear discriminator, trained like any other game.

The real distribution is a point mass at 0, the generated one at theta, and D(x) = psi x; the equilibrium is (0, 0).
Also the closed forms: eigenvalues at the equilibrium, and the spectral radius of a training step.
Source: Mescheder et al. 2018, arXiv:1801.04406, sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite

import numpy as np
import torch
from torch import Tensor, nn

from papergan.config.dirac import Complex, DiracRecipe, DiracResult, DiracVariant
from papergan.game.game import DiscriminatorOutput, Game
from papergan.game.optimisers import Clip, optimiser
from papergan.game.priors import Gaussian
from papergan.game.schedules import Progress
from papergan.game.terms import Term
from papergan.game.training_step import optimiser_step, training_step
from papergan.game.two_player import two_player
from papergan.objectives.gradient_penalties import R1, R2, GradientPenalty, LocalGradientPenalty
from papergan.randomness import own_random_state, seed_for
from papergan.systems.gan import loss_of
from papergan.training.numerics import numerics

NODES = 64  # points that represent instance noise
DISPLACEMENT = 0.01  # of central differences; rounding in float32 and curvature cause an error of about 1e-5
DERIVATIVES = {"minimax": (0.5, -0.25), "non_saturating": (0.5, -0.25), "wasserstein": (1.0, 0.0)}
"""f'(0) and f''(0) of f(t) = -log(1 + exp(-t)), and of f(t) = t."""


class PointGenerator(nn.Module):
    """The generator: the point theta, whatever the latents [B, L]; as images [B, 1, 1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))

    def forward(self, latents: Tensor) -> Tensor:
        return self.theta.expand(len(latents))[:, None, None, None]


class LinearDiscriminator(nn.Module):
    """The discriminator: images [B, 1, 1, 1] to scores psi x, [B]."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(images.flatten(1).sum(dim=1) * self.psi)


def instance_noise(deviation: float) -> Callable[[Tensor], Tensor]:
    """An augmentation that adds Gaussian noise, by NODES quantiles of exactly this deviation: expectations, no draws.

    Source: Sønderby et al. 2017, arXiv:1610.04490; Mescheder et al. 2018, section 3.2.
    """
    levels = (torch.arange(NODES, dtype=torch.float64) + 0.5) / NODES
    nodes = torch.special.ndtri(levels)
    nodes = (nodes * (deviation / nodes.square().mean().sqrt())).float()[:, None, None, None]
    return lambda images: images + nodes


def build(variant: DiracVariant, learning_rate: float) -> Game:
    """Build the game of a variant, trained by plain gradient descent."""
    terms: list[Term] = []
    for weight, term in (
        (variant.r1, R1), (variant.r2, R2), (variant.gradient_penalty, GradientPenalty),
        (variant.local_gradient_penalty, LocalGradientPenalty),
    ):  # fmt: skip
        terms += [term(weight=weight)] if weight else []
    descent = optimiser("sgd", learning_rate)
    return two_player(
        generator=PointGenerator(),
        discriminator=LinearDiscriminator(),
        prior=Gaussian(1),
        loss=loss_of(variant.loss, 1.0, 0.0),
        generator_optimiser=descent,
        discriminator_optimiser=descent,
        discriminator_terms=terms,
        discriminator_constraints=(Clip(variant.clip),) if variant.clip else (),
        discriminator_steps=variant.discriminator_steps,
        augment=instance_noise(variant.instance_noise) if variant.instance_noise else None,
    )


def run_variant(name: str, recipe: DiracRecipe) -> DiracResult:
    """Train one variant, and measure its Jacobian at the equilibrium."""
    variant = recipe.variants[name]
    with numerics("float32", deterministic=False), own_random_state("cpu"):
        torch.manual_seed(seed_for(0, "dirac"))
        trajectory = _trajectory(build(variant, recipe.learning_rate), recipe)
        diverged_at = len(trajectory) if len(trajectory) <= recipe.steps else None
        eigenvalues, step_radius = None, None
        if has_derivative(variant):
            field = partial(gradient_field, build(variant.model_copy(update={"clip": 0.0}), 1.0))
            step = partial(_after_step, build(variant, recipe.learning_rate))
            eigenvalues, step_radius = eigenvalues_of(_jacobian(field)), spectral_radius(_jacobian(step))
        return DiracResult(
            variant=name, eigenvalues=eigenvalues, step_radius=step_radius, trajectory=trajectory,
            diverged_at=diverged_at,
        )  # fmt: skip


def gradient_field(game: Game, point: np.ndarray) -> np.ndarray:
    """(-dL_G/dtheta, -dL_D/dpsi) at `point` = (theta, psi), read from one step of each player with learning rate 1."""
    change = {}
    for turn in game.turns:
        _place(game, point)
        optimiser_step(game, turn, _batch(), Progress(0, 0), None, None)
        change[turn.player] = _point(game) - point
    return np.array([change["generator"][0], change["discriminator"][1]])


def _trajectory(game: Game, recipe: DiracRecipe) -> tuple[tuple[float, float], ...]:
    """(theta, psi) before the first step and after each, up to the last finite point."""
    _place(game, np.array(recipe.start))
    batches, points = [_batch()] * game.batches_per_step, [recipe.start]
    for step in range(recipe.steps):
        training_step(game, batches, Progress(step, step * NODES))
        theta, psi = _point(game)
        if not (isfinite(theta) and isfinite(psi)):
            break
        points.append((float(theta), float(psi)))
    return tuple(points)


def _after_step(game: Game, point: np.ndarray) -> np.ndarray:
    _place(game, point)
    training_step(game, [_batch()] * game.batches_per_step, Progress(0, 0))
    return _point(game)


def _jacobian(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The Jacobian of a function of the plane at (0, 0), [2, 2], by central differences."""
    steps = DISPLACEMENT * np.eye(2)
    return np.stack([(function(step) - function(-step)) / (2 * DISPLACEMENT) for step in steps], axis=1)


def _batch() -> dict[str, Tensor]:
    return {"image": torch.zeros(NODES, 1, 1, 1)}


@torch.no_grad()
def _place(game: Game, point: np.ndarray) -> None:
    game.networks["generator"].theta.fill_(float(point[0]))  # type: ignore[operator]
    game.networks["discriminator"].psi.fill_(float(point[1]))  # type: ignore[operator]


def _point(game: Game) -> np.ndarray:
    weights = game.networks["generator"].theta, game.networks["discriminator"].psi
    return np.array([weight.detach().double().item() for weight in weights])  # type: ignore[operator]


@dataclass(frozen=True)
class Linearised:
    """The Jacobian [[0, -slope], [slope, damping]] of the gradient vector field at the equilibrium, in (theta, psi).

    slope: f'(0). damping: 2 f''(0) sigma^2 - gamma, for instance noise of deviation sigma and R1 or R2 of weight gamma.
    """

    slope: float
    damping: float

    @property
    def eigenvalues(self) -> tuple[Complex, Complex]:
        """The roots damping / 2 -+ sqrt(damping^2 / 4 - slope^2)."""
        return eigenvalues_of(np.array([[0.0, -self.slope], [self.slope, self.damping]]))

    def step_radius(self, learning_rate: float, discriminator_steps: int) -> float | None:
        """The spectral radius of one training step: D's steps, then G's. Below 1: converges; 1 or more: does not.

        None if the step overflows.
        """
        of_d = np.array([[1.0, 0.0], [learning_rate * self.slope, 1.0 + learning_rate * self.damping]])
        of_g = np.array([[1.0, -learning_rate * self.slope], [0.0, 1.0]])
        with np.errstate(over="ignore", invalid="ignore"):
            step = of_g @ np.linalg.matrix_power(of_d, discriminator_steps)
        return spectral_radius(step)


def closed_form(variant: DiracVariant) -> Linearised | None:
    """The paper's closed form; None for losses that do not have its form, and for penalties without a derivative."""
    if variant.loss not in DERIVATIVES or not has_derivative(variant):
        return None
    slope, curvature = DERIVATIVES[variant.loss]
    return Linearised(slope, 2 * curvature * variant.instance_noise**2 - variant.r1 - variant.r2)


def has_derivative(variant: DiracVariant) -> bool:
    """Whether the gradient vector field has a Jacobian at psi = 0; (|psi| - 1)^2 has none."""
    return not (variant.gradient_penalty or variant.local_gradient_penalty)


def spectral_radius(matrix: np.ndarray) -> float | None:
    """The largest modulus of the eigenvalues; None for a matrix that is not finite."""
    return float(np.abs(np.linalg.eigvals(matrix)).max()) if np.isfinite(matrix).all() else None


def eigenvalues_of(matrix: np.ndarray) -> tuple[Complex, Complex]:
    """The two eigenvalues of a real 2x2 matrix, by real part, then by imaginary part."""
    first, second = sorted(np.linalg.eigvals(matrix), key=lambda value: (round(value.real, 9), value.imag))
    return Complex(float(first.real), float(first.imag)), Complex(float(second.real), float(second.imag))
