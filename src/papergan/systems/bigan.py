"""BiGAN. Donahue, Krähenbühl and Darrell 2017, arXiv:1605.09782.

Reproduced: as `ali`, which was proposed at the same time, but with a deterministic encoder E(x) (its section 3); Adam
2e-4 with beta1 0.5 and batch 128 (in the recipe) as in the authors' code.
Deviations: the networks are those of `ali`, so that the two differ only in the encoder; latents are N(0, I) of
dimension 64, theirs U(-1, 1) of dimension 50 on MNIST; no weight decay (theirs 2.5e-5) and no decay of the learning
rate. It is in no table of tahvili2025; zaika2025 describes it.
Deterministic on a GPU: as `ali`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.systems.ali import assemble

TRAITS = frozenset({"codes"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Annotated[int, Field(ge=4)] = 64,
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game of `ali` with a deterministic encoder."""
    return assemble(
        images, latent_dim, width, stochastic=False, dropout=dropout, learning_rate=learning_rate, beta1=beta1
    )  # fmt: skip
