"""Conversion of trained games to stored models, and of stored models to networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

import papergan
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import CheckpointError
from papergan.game.game import Game
from papergan.game.priors import Prior
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.inference.model_folder import FORMAT, StoredModel
from papergan.messages import quoted
from papergan.networks.convolutional.encoding import LatentEncoder
from papergan.weights import Weights


def stored_model(
    game: Game, exported: Mapping[str, Tensor], *, system: str, overrides: Mapping[str, Any], image: ImageSpec,
    classes: Sequence[str], progress: Progress, weights: str, about: Mapping[str, Any],
) -> StoredModel:  # fmt: skip
    """The stored form of a game's exported generator, its encoder if it has one, and its configuration.

    game: after training. exported: `state_dict` of the exported sampler. overrides: settings of the system that differ
    from its defaults; all settings are stored, so that later defaults change nothing. weights: "ema" or "raw".
    about: information for readers and tables, any JSON.
    """
    prior, encoder = game.networks[game.showcase.source], _encoder(game)
    tensors = dict(exported)
    if encoder is not None:
        tensors |= {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    conditional = systems.is_conditional(system, overrides)
    config = {
        "format": FORMAT,
        "papergan": papergan.__version__,
        "system": system,
        "settings": systems.resolve(system, overrides),
        "image": {
            "channels": image.channels, "size": image.size, "num_classes": image.num_classes, "range": [-1.0, 1.0],
            **({} if image.input is None else {"input": {"channels": image.input.channels, "size": image.input.size}}),
            **({} if image.frames == 1 else {"frames": image.frames}),
        },
        "prior": {"kind": type(prior).__name__, "latent_dim": prior.latent_dim if isinstance(prior, Prior) else 0},
        "classes": list(classes),
        "conditional": conditional,
        "progress": progress._asdict(),
        "weights": weights,
        "encoder": encoder is not None,
        "digest": Weights(tensors).digest,
        "about": dict(about),
    }  # fmt: skip
    return StoredModel(Weights(tensors), config)


def changed_model(
    stored: StoredModel, tensors: Mapping[str, Tensor] | None = None, settings: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
) -> StoredModel:  # fmt: skip
    """The model with other weights, settings or `about`; without card and picture, which described the old model.

    It has no encoder either, since that belonged to the old generator.
    """
    kept = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in (stored.tensors.tensors if tensors is None else tensors).items()
        if not name.startswith("encoder.")
    }
    config = {
        **stored.config, "encoder": False, "digest": Weights(kept).digest,
        "settings": dict(stored.config["settings"] if settings is None else settings),
        "about": stored.about if about is None else dict(about),
    }  # fmt: skip
    return StoredModel(Weights(kept), config)


def diverged_model(system: str, reason: str, about: Mapping[str, Any]) -> StoredModel:
    """A model without weights, for a diverged training run; loading it raises CheckpointError with the reason."""
    config = {
        "format": FORMAT, "papergan": papergan.__version__, "system": system, "settings": {}, "image": {}, "prior": {},
        "classes": [], "conditional": False, "progress": {}, "weights": "raw", "encoder": False,
        "digest": Weights({}).digest, "diverged": reason, "about": dict(about),
    }  # fmt: skip
    return StoredModel(
        Weights({}), config, f"# {about.get('experiment', system)}\n\nThere is no generator: {reason}.\n"
    )


def _encoder(game: Game) -> LatentEncoder | None:
    """The network from images to latents; None if the game has none that inverts its generator."""
    found = game.networks[game.encoder] if game.encoder else None
    return found if isinstance(found, LatentEncoder) else None


def stored_spec(config: Mapping[str, Any]) -> ImageSpec:
    """The image spec of a stored model, with that of its inputs if it translates."""
    image, given = config["image"], config["image"].get("input")
    made = None if given is None else ImageSpec(int(given["channels"]), int(given["size"]))
    channels, size, classes = (int(image[name]) for name in ("channels", "size", "num_classes"))
    return ImageSpec(channels, size, classes, made, int(image.get("frames", 1)))


def stored_progress(config: Mapping[str, Any]) -> Progress:
    """The progress of training at which a stored model was exported."""
    given = Progress(**config["progress"])
    return Progress(int(given.step), int(given.images), float(given.epoch))


def restored(stored: StoredModel, image: ImageSpec) -> tuple[Sampler, LatentEncoder | None]:
    """The sampler, and the encoder if there is one, of a stored model, in evaluation mode on the CPU.

    Raises CheckpointError if the weights do not fit the system that they name.
    """
    config, tensors = stored.config, stored.tensors
    game = systems.build(config["system"], image, config["settings"], seed=0)
    sampler = Sampler(game.networks[game.showcase.source], game.networks[game.showcase.generator])
    encoder = _encoder(game) if config["encoder"] else None
    try:
        sampler.load_state_dict({name: t for name, t in tensors.tensors.items() if not name.startswith("encoder.")})
        if encoder is not None:
            encoder.load_state_dict(tensors.under("encoder"))
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights do not fit system {config['system']!r} of this version of papergan: "
            f"{quoted(str(error).splitlines()[-1].strip())}; use version {config['papergan']}"
        ) from error
    sampler.requires_grad_(False).eval()
    return sampler, None if encoder is None else encoder.requires_grad_(False).eval()
