"""Many trials, one table: experiments compared over seeds and over what is varied of them."""

from papergan.pipelines.study.pipeline import create_pipeline

__all__ = ["create_pipeline"]
