"""Settings and results of the Dirac-GAN: two scalars, under every loss and regulariser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from papergan.config.papers import PaperKey
from papergan.validation import Positive, StrictModel

Weight = Annotated[float, Field(ge=0.0, le=1e6)]  # 0 = off
DiracLoss = Literal["minimax", "non_saturating", "wasserstein", "least_squares", "hinge"]


class DiracVariant(StrictModel):
    """One loss with its regularisers; weights, the limit of `clip` and the deviation of `instance_noise`: 0 = off.

    converges: what the paper states of it; None where it states nothing.
    """

    loss: DiracLoss = "minimax"
    r1: Weight = 0.0
    r2: Weight = 0.0
    gradient_penalty: Weight = 0.0
    local_gradient_penalty: Weight = 0.0
    clip: Weight = 0.0
    instance_noise: Weight = 0.0
    discriminator_steps: Annotated[int, Field(ge=1, le=1000)] = 1
    converges: bool | None = None


class DiracRecipe(StrictModel):
    """The Dirac-GAN: variants by name, trained by gradient descent from `start` = (theta, psi), D before G."""

    paper: PaperKey
    description: str = ""
    learning_rate: Annotated[float, Field(gt=0.0, le=10.0)] = 0.1
    steps: Positive = 500
    start: Annotated[tuple[float, float], Field(strict=False)] = (1.0, 1.0)
    variants: Annotated[dict[str, DiracVariant], Field(min_length=1)]


class Complex(NamedTuple):
    """A complex number, as JSON can hold it."""

    real: float
    imaginary: float


class DiracResult(BaseModel):
    """The result of one variant.

    eigenvalues: of the Jacobian of the gradient vector field at the equilibrium, measured; None where a penalty has no
    derivative there. step_radius: the spectral radius of one training step there, likewise. trajectory: (theta, psi)
    before the first step and after each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    variant: str
    eigenvalues: tuple[Complex, Complex] | None
    step_radius: float | None
    trajectory: tuple[tuple[float, float], ...]

    @property
    def distance(self) -> float:
        """The largest distance from the equilibrium in the last tenth of the steps."""
        last = self.trajectory[-max(1, len(self.trajectory) // 10) :]
        return float(np.linalg.norm(last, axis=1).max())

    @property
    def converged(self) -> bool:
        """Whether `distance` is below one hundredth of that of the start."""
        return self.distance < 0.01 * float(np.linalg.norm(self.trajectory[0]))


@dataclass(frozen=True)
class Linearised:
    """The Jacobian [[0, -slope], [slope, damping]] of the gradient vector field at the equilibrium, in (theta, psi).

    slope: f'(0). damping: 2 f''(0) sigma^2 - gamma, for instance noise of deviation sigma and R1 or R2 of weight gamma.
    Source: Mescheder et al. 2018, arXiv:1801.04406, sections 2 and 3.
    """

    slope: float
    damping: float

    @property
    def eigenvalues(self) -> tuple[Complex, Complex]:
        """Damping / 2 -+ sqrt(damping^2 / 4 - slope^2)."""
        return eigenvalues_of(np.array([[0.0, -self.slope], [self.slope, self.damping]]))

    def step_radius(self, learning_rate: float, discriminator_steps: int) -> float:
        """The spectral radius of one training step: D's steps, then G's. Below 1: converges; 1 or more: does not."""
        of_d = np.array([[1.0, 0.0], [learning_rate * self.slope, 1.0 + learning_rate * self.damping]])
        of_g = np.array([[1.0, -learning_rate * self.slope], [0.0, 1.0]])
        step = of_g @ np.linalg.matrix_power(of_d, discriminator_steps)
        return float(np.abs(np.linalg.eigvals(step)).max())


DERIVATIVES = {"minimax": (0.5, -0.25), "non_saturating": (0.5, -0.25), "wasserstein": (1.0, 0.0)}
"""f'(0) and f''(0) of f(t) = -log(1 + exp(-t)), and of f(t) = t."""


def closed_form(variant: DiracVariant) -> Linearised | None:
    """What the paper's formulas give; None for losses that are not of its form, and penalties without a derivative."""
    if variant.loss not in DERIVATIVES or not has_derivative(variant):
        return None
    slope, curvature = DERIVATIVES[variant.loss]
    return Linearised(slope, 2 * curvature * variant.instance_noise**2 - variant.r1 - variant.r2)


def has_derivative(variant: DiracVariant) -> bool:
    """Whether the gradient vector field has a Jacobian at psi = 0; (|psi| - 1)^2 has none."""
    return not (variant.gradient_penalty or variant.local_gradient_penalty)


def eigenvalues_of(matrix: np.ndarray) -> tuple[Complex, Complex]:
    """The two eigenvalues of a real 2x2 matrix, by real part, then by imaginary part."""
    first, second = sorted(np.linalg.eigvals(matrix), key=lambda value: (round(value.real, 9), value.imag))
    return Complex(float(first.real), float(first.imag)), Complex(float(second.real), float(second.imag))
