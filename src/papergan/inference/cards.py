"""The model card of any stored model: a model of images, of sounds, or of table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from papergan.inference.model_card import model_card
from papergan.inference.model_folder import output_of
from papergan.inference.sound.card import sound_card
from papergan.inference.sound.models import kind_of
from papergan.inference.vectors import vector_card
from papergan.reporting.published_results import PublishedRow


def card_of(config: Mapping[str, Any], published: Sequence[PublishedRow], *, picture: bool, place: str) -> str:
    """The card from a stored model's configuration; `published` and `picture` apply to image models, see `model_card`.

    Raises CheckpointError for a system of sounds that this version does not know.
    """
    if (output := output_of(config)) == "images":
        return model_card(config, published, picture=picture, place=place)
    if output == "sounds":
        kind = kind_of(str(config["system"]))
        return sound_card(config, kind.task, kind.use, place)
    return vector_card(config, place)
