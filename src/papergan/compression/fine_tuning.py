"""Fine-tuning: a game that starts from the networks of a trained one, optionally narrower or with pruned weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from papergan.compression.channel_pruning import narrowed
from papergan.compression.weight_pruning import kernels, prune_weights
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.inference.model_folder import StoredModel
from papergan.inference.store import restored, stored_spec
from papergan.messages import quoted
from papergan.weights import Weights


def start_from_trained(game: Game, stored: StoredModel, networks: Weights, prune: float) -> None:
    """Give a game, before its first step, the exported generator of a trained one and its other networks.

    stored: the model; networks: those at the end of the same training, "networks.<name>". A narrower generator gets the
    channels with the largest filters, see `narrowed`. prune: share of the generator's weights, the smallest, that
    become zero; from 0, below 1. Optimisers start from scratch. BatchNorm statistics are the trained generator's.
    Raises RecipeError if the networks are not of the same kind and, except for the generator's width, size.
    """
    name = game.showcase.generator
    generator = game.networks[name]
    sampler, _ = restored(stored, stored_spec(stored.config))
    state = dict(sampler.generator.state_dict())
    if _shapes(state) != _shapes(generator.state_dict()):
        wide = sampler.latents(1, 0, "channel pruning", progress=Progress(**stored.config["progress"]))
        state = narrowed(sampler.generator, generator.eval(), wide)
        generator.train()
    generator.load_state_dict(state)
    for other, network in game.networks.items():
        if other != name:
            _load(other, network, networks.under(f"networks.{other}"))
    if game.showcase.source in game.networks:
        game.networks[game.showcase.source].load_state_dict(sampler.prior.state_dict())
    if prune > 0.0:
        prune_weights(generator, prune)


def _load(name: str, network: nn.Module, state: dict[str, Tensor]) -> None:
    if _shapes(state) != _shapes(network.state_dict()):
        raise RecipeError(f"its {name} is of another kind or size: give this recipe the {name} of the model's recipe; "
                          "only the generator may be narrower")  # fmt: skip
    network.load_state_dict(state)


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


class FixedZeros:
    """A constraint: weights that were zero when it was created are zero after every step of the player.

    Only kernels and matrices; biases and normalisation are free. Han et al. 2015 (arXiv:1506.02626), section 3: the
    pruned network is retrained with its remaining connections.
    """

    def __init__(self, network: nn.Module) -> None:
        weights = [getattr(layer, name) for layer, name in kernels(network)]
        self.zeros = {id(weight): weight == 0 for weight in weights}

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        """Change the weights in place."""
        for weight in network.parameters():
            if (zeros := self.zeros.get(id(weight))) is not None:
                weight.masked_fill_(zeros, 0.0)


def with_fixed_zeros(game: Game) -> None:
    """Keep the generator's zero weights at zero in every step from now on."""
    name = game.showcase.generator
    constraint = FixedZeros(game.networks[name])
    game.players = {
        key: replace(player, constraints=(*player.constraints, constraint)) if name in player.networks else player
        for key, player in game.players.items()
    }


def check_model(stored: StoredModel, system: str) -> None:
    """Raise RecipeError if a model is of another system, or translates images."""
    theirs = str(stored.config["system"])
    if theirs != system:
        raise RecipeError(
            f"it is of system {quoted(theirs)}, and this recipe of {quoted(system)}; they must be the same"
        )
    if "input" in stored.config["image"]:
        raise RecipeError("it translates images; fine-tuning is for what has latents")
