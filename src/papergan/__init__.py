"""papergan: GAN papers as Kedro pipelines, reproduced, compared and accounted for."""

__version__ = "0.1.0"
