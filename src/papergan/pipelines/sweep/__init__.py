"""The pipeline of a sweep: one experiment, settings that Optuna suggests, in the tables of a study."""

from papergan.pipelines.sweep.pipeline import create_pipeline

__all__ = ["create_pipeline"]
