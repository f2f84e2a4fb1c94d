"""Settings that choose the feature extractors of an evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from papergan.validation import StrictModel


class ExtractorSettings(StrictModel):
    """Which extractors to build, at least one, and the columns that each of them gives.

    inception: `fid`, `is`, ...; domain: the data set's own classifier, `domain_*` (for images without labels one that
    classifies rotations, `rotation_*`); inception64, domain64: their first features, 64 at the standard width;
    torchvision: torchvision's Inception, another network. vgg19_weights: the file of torchvision's VGG19, for systems
    whose `content` is vgg19. lpips_weights: the file of LPIPS's linear layers, for comparing pairs by LPIPS; None =
    they are not compared by it. lpips_backbone: torchvision's file of LPIPS's network; None = the one in torch's cache.
    """

    inception: bool = True
    inception_weights: str | None = None
    inception64: bool = False
    torchvision: bool = False
    torchvision_weights: str | None = None
    vgg19_weights: str | None = None
    lpips_network: Literal["alex", "vgg"] = "alex"
    lpips_weights: str | None = None
    lpips_backbone: str | None = None
    allow_download: bool = True
    domain: bool = True
    domain64: bool = False

    @model_validator(mode="after")
    def _fit_together(self) -> ExtractorSettings:
        if not (self.inception or self.domain or self.torchvision or self.inception64):
            raise ValueError("inception, domain and torchvision are all false; nothing would be measured")
        if self.lpips_backbone is not None and self.lpips_weights is None:
            raise ValueError(
                "lpips_backbone alone measures nothing: name the file of linear layers, lpips_weights, too"
            )
        if self.domain64 and not self.domain:
            raise ValueError("domain64 is a part of the classifier that domain=false leaves out")
        return self
