"""Experiment tracking: trackers, MLflow runs and models, and provenance."""

from papergan.tracking.tracker import Tracker

__all__ = ["Tracker"]
