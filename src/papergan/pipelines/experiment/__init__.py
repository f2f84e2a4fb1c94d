"""From images to scores: references, training, publication, evaluation."""

from papergan.pipelines.experiment.pipeline import create_pipeline

__all__ = ["create_pipeline"]
