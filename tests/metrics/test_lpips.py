"""LPIPS against its formula written out, on files of the right format with random numbers; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from papergan.atomic_files import sha256_of
from papergan.errors import EvaluationError
from papergan.extractors.settings import ExtractorSettings
from papergan.image_range import to_model_range
from papergan.metrics.lpips import BACKBONES, lpips_of

models = pytest.importorskip("torchvision.models")
BUILT = {"alex": models.alexnet, "vgg": models.vgg16}


def files(folder: Path, network: str) -> ExtractorSettings:
    """Files of both kinds; of the layers behind the features, which are not read, only the names are right."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in BUILT[network]().state_dict().items()}
    backbone = {
        name: torch.randn(shape if name.startswith("features.") else (1,), generator=generator)
        / max(1, torch.Size(shape[1:]).numel()) ** 0.5
        for name, shape in shapes.items()
    }
    linear = {
        f"lin{layer}.model.1.weight": torch.rand(1, count, 1, 1, generator=generator)
        for layer, count in enumerate(BACKBONES[network].channels)
    }
    torch.save(backbone, folder / "backbone.pth")
    torch.save(linear, folder / "linear.pth")
    return ExtractorSettings(
        lpips_network=network, lpips_weights=str(folder / "linear.pth"), lpips_backbone=str(folder / "backbone.pth")
    )


def pair(size: int, channels: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randint(0, 256, (2, 3, channels, size, size), dtype=torch.uint8, generator=generator)
    return one, other


def by_hand(folder: Path, network: str, first: Tensor, second: Tensor) -> Tensor:
    """The formula, place by place in float64: AlexNet and VGG16 as lists of convolutions and poolings."""
    state, linear = (torch.load(folder / f"{name}.pth", weights_only=True) for name in ("backbone", "linear"))
    if network == "alex":  # (features' index, stride, padding), pooling of 3 before some
        plan = [(0, 4, 2, 0), (3, 1, 2, 3), (6, 1, 1, 3), (8, 1, 1, 0), (10, 1, 1, 0)]
        taps = {0, 3, 6, 8, 10}
    else:
        first_of_stage = (5, 10, 17, 24)
        plan = [(i, 1, 1, 2 if i in first_of_stage else 0) for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
        taps = {2, 7, 14, 21, 28}
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]).double(), torch.tensor([0.458, 0.448, 0.450]).double()
    maps = [(to_model_range(one).double() - shift[:, None, None]) / scale[:, None, None] for one in (first, second)]
    total, layer = torch.zeros(len(first), dtype=torch.float64), 0
    for index, stride, padding, pool in plan:
        weight, bias = (state[f"features.{index}.{kind}"].double() for kind in ("weight", "bias"))
        for place, x in enumerate(maps):
            x = functional.max_pool2d(x, pool, 2) if pool else x
            maps[place] = functional.conv2d(x, weight, bias, stride, padding).clamp(min=0)
        if index in taps:
            one, other = (x / x.pow(2).sum(1, keepdim=True).sqrt() for x in maps)
            weights = linear[f"lin{layer}.model.1.weight"].double()[0, :, 0, 0]
            total += torch.einsum("c,bchw->bhw", weights, (one - other) ** 2).mean((1, 2))
            layer += 1
    assert layer == 5
    return total


@pytest.mark.parametrize(("network", "size"), [("alex", 32), ("alex", 31), ("alex", 64), ("vgg", 32), ("vgg", 16)])
def test_it_is_the_formula(tmp_path, network, size):
    settings = files(tmp_path, network)
    first, second = pair(size)
    lpips = lpips_of(settings, size)
    wanted = by_hand(tmp_path, network, first, second)
    found = lpips(*map(to_model_range, (first, second)))
    assert float(wanted.min()) > 1e-3
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-6)
    assert lpips.mean(first, second) == pytest.approx(float(wanted.mean()), rel=1e-4)
    assert lpips.mean(first, first) == 0.0
    assert lpips.mean(first.repeat(20, 1, 1, 1), second.repeat(20, 1, 1, 1)) == pytest.approx(
        float(wanted.mean()), rel=1e-4
    )


def test_grey_images_are_repeated_and_files_are_its_identity(tmp_path):
    settings = files(tmp_path, "alex")
    state = torch.get_rng_state()
    lpips = lpips_of(settings, 32)
    assert torch.equal(torch.get_rng_state(), state)
    first, second = pair(32, channels=1)
    in_colour = (one.expand(-1, 3, -1, -1) for one in (first, second))
    assert lpips.mean(first, second) == pytest.approx(lpips.mean(*in_colour), rel=1e-6)
    assert (lpips.network, lpips.backbone_digest, lpips.weights_digest) == (
        "alex", sha256_of(tmp_path / "backbone.pth"), sha256_of(tmp_path / "linear.pth"),
    )  # fmt: skip


def test_there_is_none_without_files_and_others_are_refused(tmp_path, monkeypatch):
    assert lpips_of(ExtractorSettings(), 32) is None
    with pytest.raises(ValueError, match="lpips_backbone alone measures nothing"):
        ExtractorSettings(lpips_backbone="alexnet.pth")
    settings = files(tmp_path, "alex")

    def refused(size=32, **changes) -> str:
        with pytest.raises(EvaluationError) as error:
            lpips_of(settings.model_copy(update=changes), size)
        assert "\n" not in str(error.value)
        assert "do without LPIPS" in str(error.value)
        return str(error.value)

    assert "evaluation.lpips_weights: there is no file" in refused(lpips_weights=str(tmp_path / "none"))
    assert "evaluation.lpips_backbone: there is no file" in refused(lpips_backbone=str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    missing = refused(lpips_backbone=None)
    assert "torchvision's AlexNet (IMAGENET1K_V1) is not at" in missing
    assert "about 233 MB) and set evaluation.lpips_backbone=<file>" in missing
    assert "is not the weights of LPIPS for AlexNet" in refused(lpips_weights=settings.lpips_backbone)
    assert "is not torchvision's AlexNet" in refused(lpips_backbone=settings.lpips_weights)
    assert "is not the weights of LPIPS for VGG16" in refused(lpips_network="vgg")
    assert "alex takes images of 31 pixels or more, these have 28" in refused(size=28)
    linear = torch.load(settings.lpips_weights, weights_only=True)
    torch.save(linear | {"lin0.model.1.weight": torch.zeros(1, 65, 1, 1)}, tmp_path / "other.pth")
    assert "is not the weights of LPIPS for AlexNet" in refused(lpips_weights=str(tmp_path / "other.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    assert "damaged or no file of plain tensors" in refused(lpips_weights=str(tmp_path / "text.pth"))


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_the_authors_own_weights_are_read_and_both_implementations_agree(tmp_path, network):
    """torchmetrics has a copy of the linear layers; its networks are given the same random numbers."""
    image = pytest.importorskip("torchmetrics.functional.image.lpips")
    linear = Path(image.__file__).parent / "lpips_models" / f"{network}.pth"
    settings = files(tmp_path, network).model_copy(update={"lpips_weights": str(linear)})
    lpips = lpips_of(settings, 64)
    other = image._LPIPS(pretrained=True, net=network, pnet_rand=True).eval()
    state = torch.load(tmp_path / "backbone.pth", weights_only=True)
    own = dict(other.net.named_parameters())
    for name, tensor in state.items():
        if name.startswith("features."):
            (known,) = [one for one in own if one.endswith(f".{name.removeprefix('features.')}")]
            own[known].data.copy_(tensor)
    first, second = map(to_model_range, pair(64))
    torch.testing.assert_close(lpips(first, second), other(first, second).flatten().detach(), rtol=1e-4, atol=1e-6)
