"""Small untrained models of sounds, as the sound study stores them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from papergan.inference.model_folder import write_model
from papergan.inference.sound.models import kind_of, stored_sound_model
from papergan.randomness import seeded

SOUND = {"rate": 8000, "length": 1024, "mel": {"fft": 256, "hop": 64, "bands": 20}}
SETTINGS = {
    "wavegan": {"system": "wavegan", "latent_dim": 4, "width": 2},
    "melgan": {"system": "melgan", "width": 2, "ratios": [8, 4, 2], "residual_layers": 1},
}


@cache
def stored(system: str):
    with seeded(0, "weights"):
        generator = kind_of(system).network(SETTINGS[system], SOUND)
    tensors = {f"generator.{name}": tensor for name, tensor in generator.state_dict().items()}
    about = {
        "experiment": f"sound_study, {system}", "dataset": "drawn_sounds/train", "seed": 3,
        "metrics": {"inception_score": 2.5}, "paper": {"citation": "Donahue et al. 2019"},
    }  # fmt: skip
    return stored_sound_model(
        tensors, system=system, settings=SETTINGS[system], sound=SOUND, classes=("a", "e"), steps=7, about=about
    )


def written(folder: Path, system: str) -> Path:
    write_model(folder / system, stored(system))
    return folder / system
