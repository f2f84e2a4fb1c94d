"""Settings and results of the Dirac-GAN: two scalars, under every loss and regulariser."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from papergan.config.papers import PaperKey
from papergan.validation import Positive, StrictModel

Weight = Annotated[float, Field(ge=0.0, le=1e6)]  # 0 = off
DiracLoss = Literal["minimax", "non_saturating", "wasserstein", "least_squares", "hinge"]


class DiracVariant(StrictModel):
    """One loss with its regularisers; weights, the limit of `clip` and the deviation of `instance_noise`: 0 = off.

    converges: what the paper states about it; None where it states nothing.
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
    derivative there. step_radius: the spectral radius of one training step there, likewise; None too where such a step
    overflows. trajectory: (theta, psi) before the first step and after each; where a step made them infinite or NaN it
    ends before that one, `diverged_at`, counted from 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    variant: str
    eigenvalues: tuple[Complex, Complex] | None
    step_radius: float | None
    trajectory: tuple[tuple[float, float], ...]
    diverged_at: int | None = None

    @property
    def distance(self) -> float:
        """The largest distance from the equilibrium in the last tenth of the trajectory."""
        last = self.trajectory[-max(1, len(self.trajectory) // 10) :]
        return float(np.linalg.norm(last, axis=1).max())

    @property
    def converged(self) -> bool:
        """Whether it did not diverge, and `distance` is below one hundredth of the distance at the start."""
        return self.diverged_at is None and self.distance < 0.01 * float(np.linalg.norm(self.trajectory[0]))
