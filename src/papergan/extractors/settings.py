"""Settings that choose the feature extractors of an evaluation."""

from __future__ import annotations

from pydantic import model_validator

from papergan.validation import StrictModel


class ExtractorSettings(StrictModel):
    """Which extractors to build, at least one; the columns that each of them gives.

    inception: `fid`, `is`, ...; domain: the data set's own classifier, `domain_*` (for images without labels one that
    classifies rotations, `rotation_*`); inception64, domain64: their first 64 features; torchvision: torchvision's
    Inception, another network. vgg19_weights: the file of torchvision's VGG19, for systems whose `content` is vgg19.
    """

    inception: bool = True
    inception_weights: str | None = None
    inception64: bool = False
    torchvision: bool = False
    torchvision_weights: str | None = None
    vgg19_weights: str | None = None
    allow_download: bool = True
    domain: bool = True
    domain64: bool = False

    @model_validator(mode="after")
    def _at_least_one(self) -> ExtractorSettings:
        if not (self.inception or self.domain or self.torchvision or self.inception64):
            raise ValueError("inception, domain and torchvision are all false; nothing would be measured")
        if self.domain64 and not self.domain:
            raise ValueError("domain64 is a part of the classifier that domain=false leaves out")
        return self
