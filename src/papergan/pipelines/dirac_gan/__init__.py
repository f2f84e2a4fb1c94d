"""The pipeline of the Dirac-GAN: every loss and regulariser on two scalars, beside the closed forms."""

from papergan.pipelines.dirac_gan.pipeline import create_pipeline

__all__ = ["create_pipeline"]
