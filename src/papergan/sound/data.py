"""The sounds of a recipe: drawn, or a user's WAV files."""

from __future__ import annotations

import os
from pathlib import Path

from papergan.sound.drawn_sounds import drawn_splits
from papergan.sound.settings import SoundData
from papergan.sound.sounds import SoundSplits
from papergan.sound.wav_files import read_folder


def load_sounds(data: SoundData) -> SoundSplits:
    """The training and test sounds. Raises DataError if files of the folder cannot be used."""
    if data.folder is None:
        return drawn_splits(data)
    folder = Path(os.path.expanduser(data.folder))
    return read_folder(
        folder, rate=data.rate, length=data.length, held_out=data.held_out, seed=data.seed, name=folder.name
    )
