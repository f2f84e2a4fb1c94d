"""Use of trained generators: load, sample, interpolate, invert, translate, export; without Kedro and MLflow."""

from papergan.inference.generator import Generator
from papergan.inference.locate import load
from papergan.inference.samples import Samples
from papergan.inference.sound.models import SoundGenerator, Vocoder
from papergan.inference.sound.sounds import Sounds
from papergan.inference.translator import Translator
from papergan.inference.vectors import VectorGenerator, Vectors

__all__ = [
    "Generator", "Samples", "SoundGenerator", "Sounds", "Translator", "VectorGenerator", "Vectors", "Vocoder", "load",
]  # fmt: skip
