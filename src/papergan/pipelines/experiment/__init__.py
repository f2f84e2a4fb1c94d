"""The pipeline of an experiment: from images to scores and figures."""

from papergan.pipelines.experiment.pipeline import create_pipeline

__all__ = ["create_pipeline"]
