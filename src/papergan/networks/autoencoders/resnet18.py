"""The encoder of zaika2025: torchvision's ResNet18 with a replaced first convolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from papergan.atomic_files import open_regular
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.state_check import check_fit
from papergan.validation import one_line_error

CODE_DIM = 512


class ResNet18Encoder(nn.Module):
    """Images [B, C, S, S] -> [B, 512].

    weights: "imagenet" (torchvision's IMAGENET1K_V1, its "DEFAULT"; downloaded once), "none" (torchvision's random
    initialisation), or the path of a file with such weights. The first convolution (k7 s2) is replaced after loading,
    as in the document's code, so it always starts from random weights; the classifier remains and is never trained.
    BatchNorm keeps its pretrained statistics. Raises RecipeError if weights are unavailable; there is no fallback.
    Source: He et al. 2016 (arXiv:1512.03385); zaika2025, its code listing.
    """

    def __init__(self, images: ImageSpec, weights: str = "none") -> None:
        super().__init__()
        from torchvision.models import resnet18  # not installed on every machine that trains other systems

        self.model = resnet18(weights=None)
        if weights != "none":
            self.model.load_state_dict(_read(weights, self.model.state_dict()))
        self.model.conv1 = nn.Conv2d(images.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        net = self.model
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        code: Tensor = net.avgpool(x).flatten(1)
        return code


def _read(weights: str, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    advice = 'give the path of a file of them as overrides.encoder_weights, or "none" for weights that are drawn'
    try:
        if weights == "imagenet":
            from torchvision.models import ResNet18_Weights

            found: dict[str, Tensor] = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        else:
            with open_regular(Path(weights)) as file:
                found = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(found, Mapping):
            raise ValueError(f"expected tensors by name, found a {type(found).__name__}")
        check_fit("ResNet18", own, found)
    except Exception as error:  # download, file and decoder fail in many ways; each ends the run
        reason = one_line_error(error)[:200]
        raise RecipeError(f"ResNet18 weights {weights!r} cannot be had ({reason}): {advice}") from error
    return found
