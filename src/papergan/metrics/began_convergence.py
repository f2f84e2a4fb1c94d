"""BEGAN's measure of convergence: the reconstruction loss, and the distance of the game from its balance."""

from __future__ import annotations

import math

from papergan.errors import EvaluationError


def began_measure(real_loss: float, fake_loss: float, gamma: float) -> float:
    """M = L(x) + |gamma L(x) - L(G(z))| >= 0; lower is better.

    real_loss: L(x), mean reconstruction loss of real images, >= 0. fake_loss: L(G(z)), that of generated ones, >= 0.
    gamma: the ratio L(G(z)) / L(x) that the game aims at, in (0, 1]; higher asks for more diversity.
    Losses of the same kind (L1 or L2, mean over pixels) and scale compare, others do not. M falls while the
    discriminator learns to reconstruct, whatever the generator does: it is no measure of the images' quality.
    Raises EvaluationError for losses that are negative or not finite, and for gamma outside (0, 1].
    Source: Berthelot et al. 2017, arXiv:1703.10717, section 3.4.1.
    """
    for name, loss in (("real", real_loss), ("fake", fake_loss)):
        if not 0 <= loss < math.inf:  # written so that NaN fails too
            raise EvaluationError(f"the {name} reconstruction loss must be finite and at least 0, got {loss}")
    if not 0 < gamma <= 1:
        raise EvaluationError(f"BEGAN's gamma must be in (0, 1], got {gamma}; the paper takes 0.3 to 0.7")
    return real_loss + abs(gamma * real_loss - fake_loss)
