"""Scores beside what the papers reported."""

from papergan.pipelines.comparison.pipeline import create_pipeline

__all__ = ["create_pipeline"]
