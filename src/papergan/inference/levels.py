"""Progressively grown generators at another level."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from papergan.errors import RecipeError
from papergan.inference.model_folder import StoredModel
from papergan.networks.style_based.growth import Growing
from papergan.weights import Weights


def at_level(stored: StoredModel, network: nn.Module, level: float) -> StoredModel:
    """The model with its generator at another level, and the new digest. network: the generator.

    Raises RecipeError for a generator that does not grow, and for a level that it does not have.
    """
    if not isinstance(network, Growing):
        raise RecipeError(
            f"at_level: a generator of system {stored.config['system']!r} does not grow: it has no levels"
        )
    if not 0 <= level <= network.growth.last:
        raise RecipeError(f"at_level: expected a level in 0..{network.growth.last}, got {level:g}")
    tensors = Weights({**stored.tensors.tensors, "generator.stored_level": torch.tensor(float(level))})
    return replace(stored, tensors=tensors, config={**stored.config, "digest": tensors.digest})
