"""Autoencoders as energy functions."""

from __future__ import annotations

from torch import Tensor

from papergan.networks.autoencoders.autoencoder import Autoencoder


class EnergyAutoencoder(Autoencoder):
    """score = -E(x), E(x) = sqrt(sum |x - r(x)|) + sqrt(sum (x - r(x))^2) over an image's values, r the autoencoder.

    Source: the code of Wang and Liu 2016 (SteinGAN, arXiv:1611.01722); the paper has only the squared error.
    """

    def score(self, images: Tensor, code: Tensor) -> Tensor:
        """Minus the energy, [B], float32."""
        error = (images.float() - self.decoder(code).float()).flatten(1)
        tiny = 1e-12  # keeps it differentiable where the error is zero
        score: Tensor = -((error.abs().sum(1) + tiny).sqrt() + (error.square().sum(1) + tiny).sqrt())
        return score
