"""song2023's search for its hyperparameter FD."""

from papergan.pipelines.fd_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
