from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from papergan.atomic_files import sha256_of
from papergan.errors import EvaluationError
from papergan.extractors.torchvision_inception import (
    TORCHVISION_FILE,
    TorchvisionInceptionExtractor,
)

models = pytest.importorskip("torchvision.models")

URL = "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"


def network(weights: Path | None = None) -> nn.Module:
    """As `inception_v3(weights=IMAGENET1K_V1)` builds it, which cannot be told to read a local file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = models.inception_v3(weights=None, aux_logits=True, transform_input=True, init_weights=False)
    if weights is not None:
        built.load_state_dict(torch.load(weights, weights_only=True))
    return built.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the right names and shapes; the numbers are random, the real ones are not needed here."""
    state = network().state_dict()
    for name in state:
        if name.endswith("running_var"):
            state[name].fill_(0.15)  # keeps features and logits of order 1 through 94 layers
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def extractor(weights: Path) -> TorchvisionInceptionExtractor:
    return TorchvisionInceptionExtractor(weights)


def pixels(channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (2, channels, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def as_torchvision_does(weights: Path, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features and logits of its own forward pass, on images prepared as its documentation says."""
    original, features = network(weights), []
    original.avgpool.register_forward_hook(lambda _module, _images, output: features.append(output.flatten(1)))
    resized = functional.interpolate(images.float() / 255, (299, 299), mode="bilinear", align_corners=False)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    logits = original((resized - mean[:, None, None]) / deviation[:, None, None])
    return features[0], logits


def test_features_are_those_of_torchvision(extractor: TorchvisionInceptionExtractor, weights: Path) -> None:
    features, logits = as_torchvision_does(weights, pixels())
    ours = extractor(pixels())
    assert ours.features.shape == (2, 2048)
    assert ours.logits.shape == (2, 1000)
    assert float(features.std(0).max()) > 0
    torch.testing.assert_close(ours.features, features, rtol=1e-3, atol=1e-4 * float(features.abs().max()))
    torch.testing.assert_close(ours.logits, logits, rtol=1e-3, atol=1e-4 * float(logits.abs().max()))


def test_values_are_seen_as_they_are(extractor: TorchvisionInceptionExtractor) -> None:
    values = pixels().float()
    seen = extractor.extract_float(values)
    assert torch.equal(values, pixels().float())
    assert torch.equal(seen.features, extractor(pixels()).features)
    assert not torch.equal(extractor.extract_float(values + 0.25).features, seen.features)
    with pytest.raises(EvaluationError, match="uint8"):
        extractor(values)
    with pytest.raises(EvaluationError, match="float"):
        extractor.extract_float(pixels())


def test_grey_images_are_repeated(extractor: TorchvisionInceptionExtractor) -> None:
    grey = pixels(channels=1)
    torch.testing.assert_close(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


def test_it_is_labelled_as_what_it_is(extractor: TorchvisionInceptionExtractor, weights: Path) -> None:
    assert extractor.digest == sha256_of(weights)
    assert (extractor.name, extractor.metric_prefix) == ("torchvision", "torchvision_")
    assert (extractor.dimension, extractor.class_names, extractor.has_logits) == (2048, (), True)


def test_loading_leaves_the_random_state_alone(weights: Path) -> None:
    before = torch.get_rng_state()
    TorchvisionInceptionExtractor(weights)
    assert torch.equal(before, torch.get_rng_state())


def test_files_without_step_counters_are_the_same_network(
    tmp_path: Path, extractor: TorchvisionInceptionExtractor, weights: Path
) -> None:
    """Before torch 0.4.1 batch norm had no `num_batches_tracked`, and files from then are still about."""
    state = torch.load(weights, weights_only=True)
    torch.save({n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}, tmp_path / "old.pth")
    again = TorchvisionInceptionExtractor(tmp_path / "old.pth")
    assert torch.equal(again(pixels()).features, extractor(pixels()).features)


def test_the_given_file_comes_first_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert TORCHVISION_FILE.locate(weights) == weights
    cached = tmp_path / "hub" / "checkpoints" / "inception_v3_google-0cc3c7bd.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    assert TORCHVISION_FILE.locate() == cached


def one_line_with_a_way_out(error: EvaluationError) -> bool:
    text = str(error)
    clues = (URL, "evaluation.torchvision_weights=", "evaluation.torchvision=false")
    return "\n" not in text and all(clue in text for clue in clues)


def test_missing_and_other_files_say_where_to_get_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for given in (None, tmp_path / "nowhere.pth"):
        with pytest.raises(EvaluationError) as caught:
            TORCHVISION_FILE.locate(given)
        assert one_line_with_a_way_out(caught.value)
    state = torch.load(weights, weights_only=True)
    contents = {
        "list": [1, 2],
        "tensorflow": {"fc.weight": torch.zeros(1008, 2048)},
        "too few": {"fc.weight": state["fc.weight"]},
        "renamed": {name if name == "fc.weight" else f"x.{name}": tensor for name, tensor in state.items()},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(EvaluationError) as caught:
            TorchvisionInceptionExtractor(tmp_path / name)
        assert one_line_with_a_way_out(caught.value), name


def test_the_expected_shape_is_that_of_torchvision() -> None:
    state = network().state_dict()
    counted = [name for name in state if not name.endswith("num_batches_tracked")]
    assert (len(counted), tuple(state["fc.weight"].shape)) == (
        TORCHVISION_FILE.num_tensors,
        TORCHVISION_FILE.last_layer,
    )
    published = models.Inception_V3_Weights.IMAGENET1K_V1
    assert (TORCHVISION_FILE.url, published.url) == (URL, URL)
