"""Trained generators as a library: load, sample, interpolate, invert, export; without Kedro and MLflow."""

from papergan.inference.generator import Generator
from papergan.inference.locate import load
from papergan.inference.samples import Samples

__all__ = ["Generator", "Samples", "load"]
