"""Closed forms of the Dirac-GAN: eigenvalues at the equilibrium, and the spectral radius of a training step.

Source: Mescheder et al. 2018, arXiv:1801.04406, sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from papergan.config.dirac import Complex, DiracVariant


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
