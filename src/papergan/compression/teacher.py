"""The teacher of a distillation: a trained model as a fixed network in the game that trains its student."""

from __future__ import annotations

import torch
from torch import nn

from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.priors import Gaussian, Prior, Uniform
from papergan.game.schedules import Progress
from papergan.inference.model_folder import StoredModel
from papergan.inference.store import restored, stored_spec
from papergan.objectives.distillation import teacher_of


def teacher_network(stored: StoredModel, game: Game) -> nn.Module:
    """The generator of a trained model, frozen, in evaluation mode, on the game's device.

    Raises RecipeError if it cannot teach the game's generator, because latents, classes or images differ.
    """
    spec = stored_spec(stored.config)
    if spec.input is not None:
        raise RecipeError("it translates images; a teacher makes images from latents")
    theirs, _ = restored(stored, spec)
    ours = game.sampler(averaged=False)
    kinds = [_prior_text(sampler.prior) for sampler in (theirs, ours)]
    if kinds[0] != kinds[1]:
        raise RecipeError(f"its latents are {kinds[0]}, those of the student {kinds[1]}; both need the same prior")
    if list(ours.prior.parameters()):
        raise RecipeError(f"its latents are {kinds[0]}, a prior that is trained, so that those of the student differ")
    progress = Progress(**stored.config["progress"])
    latents = [sampler.latents(2, 0, "teacher", progress=progress) for sampler in (theirs, ours)]
    shapes = [[tuple(part.shape[1:]) for part in drawn] for drawn in latents]
    if shapes[0] != shapes[1]:
        raise RecipeError(f"its generator is given {_text(shapes[0])}, that of the student {_text(shapes[1])}")
    theirs.generator.to(game.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        made = theirs.generator(*(part.to(game.device) for part in latents[0]))
        ours_made = ours.decode(*latents[1])
    if made.shape != ours_made.shape:
        raise RecipeError(f"its images are {_text([tuple(made.shape[1:])])}, those of the student "
                          f"{_text([tuple(ours_made.shape[1:])])}")  # fmt: skip
    return theirs.generator


def give_teacher(game: Game, stored: StoredModel) -> None:
    """Give a game its teacher. Raises as `teacher_network` does."""
    network, teacher = teacher_network(stored, game), teacher_of(game)
    if teacher:
        teacher.use(network)


def _prior_text(prior: nn.Module) -> str:
    """A prior with its range, and with those that it is made of."""
    if not isinstance(prior, Prior):
        return type(prior).__name__
    text = f"{'Gaussian' if isinstance(prior, Gaussian) else type(prior).__name__} of {prior.latent_dim}"
    if isinstance(prior, Uniform):
        text += f" in [{0.0 if prior.positive else -prior.limit:g}, {prior.limit:g}]"
    inner = " and ".join(_prior_text(one) for one in prior.children() if isinstance(one, Prior))
    return f"{text} ({inner})" if inner else text


def _text(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) for shape in shapes)
