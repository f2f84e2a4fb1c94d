from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers.toy_extractor import save_random_inception
from papergan.atomic_files import sha256_of
from papergan.errors import DataError, EvaluationError
from papergan.extractors import pretrained
from papergan.extractors.inception import (
    INCEPTION_FILE,
    InceptionExtractor,
    InceptionTap,
    resize_like_tensorflow,
)

FILE_NAME = INCEPTION_FILE.file_name
network = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_inception(tmp_path_factory.mktemp("weights") / "random.pth")


@pytest.fixture(scope="module")
def extractor(weights: Path) -> InceptionExtractor:
    return InceptionExtractor(weights)


def pixels(channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (2, channels, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_those_of_torch_fidelity(extractor: InceptionExtractor, weights: Path) -> None:
    """The folded, channels-last network with its own resize against the original one."""
    original = network.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(weights))
    features, logits = original(pixels())
    ours = extractor(pixels())
    assert ours.features.shape == (2, 2048)
    assert ours.logits.shape == (2, 1008)
    assert float(features.std()) > 0
    torch.testing.assert_close(ours.features, features, rtol=1e-3, atol=1e-4 * float(features.abs().max()))
    torch.testing.assert_close(ours.logits, logits, rtol=1e-3, atol=1e-4 * float(logits.abs().max()))


def test_the_tap_is_feature_64_of_torch_fidelity(weights: Path) -> None:
    original = network.FeatureExtractorInceptionV3("inception-v3-compat", ["64"], str(weights))
    (features,) = original(pixels())
    ours = InceptionTap(weights)(pixels())
    assert ours.features.shape == (2, 64)
    assert ours.logits.shape == (2, 0)
    assert float(features.std()) > 0
    torch.testing.assert_close(ours.features, features, rtol=1e-5, atol=1e-5 * float(features.abs().max()))


def test_the_tap_has_the_digest_of_the_file_and_names_of_its_own(extractor: InceptionExtractor, weights: Path) -> None:
    tap = InceptionTap(weights)
    assert tap.digest == extractor.digest
    assert tap.preprocessing != extractor.preprocessing
    assert (tap.name, tap.metric_prefix, tap.dimension) == ("inception64", "inception64_", 64)
    assert (tap.class_names, tap.has_logits) == ((), False)


@pytest.mark.parametrize("kind", [InceptionExtractor, InceptionTap])
def test_values_are_seen_as_they_are(kind: type[InceptionExtractor] | type[InceptionTap], weights: Path) -> None:
    extractor, values = kind(weights), pixels().float()
    before = values.clone()
    seen, bytes_seen = extractor.extract_float(values), extractor(pixels())
    assert torch.equal(values, before)
    assert torch.equal(seen.features, bytes_seen.features)
    assert torch.equal(seen.logits, bytes_seen.logits)
    assert not torch.equal(extractor.extract_float(values + 0.25).features, seen.features)
    with pytest.raises(EvaluationError, match="uint8"):
        extractor(values)
    with pytest.raises(EvaluationError, match="float"):
        extractor.extract_float(pixels())


def test_grey_images_are_repeated(extractor: InceptionExtractor) -> None:
    grey = pixels(channels=1)
    torch.testing.assert_close(extractor(grey).features, extractor(grey.repeat(1, 3, 1, 1)).features)


def test_identity_is_the_file(extractor: InceptionExtractor, weights: Path) -> None:
    assert extractor.digest == sha256_of(weights)
    assert (extractor.name, extractor.metric_prefix, extractor.dimension) == ("inception", "", 2048)
    assert (extractor.class_names, extractor.has_logits) == ((), True)


def test_loading_leaves_the_random_state_alone(weights: Path) -> None:
    before = torch.get_rng_state()
    InceptionExtractor(weights)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("old", "new"), [(32, 299), (28, 299), (299, 299), (400, 299)])
def test_resize_is_that_of_tensorflow_1(old: int, new: int) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    images = 255 * torch.rand(1, 3, old, old, generator=torch.Generator().manual_seed(0))
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, size=(new, new), align_corners=False)
    assert float((resize_like_tensorflow(images, new) - expected).abs().max()) < 1e-3


def test_resize_by_hand() -> None:
    """Two pixels to four: positions 0, 0.5, 1, 1.5, the last clamped at the border."""
    row = torch.tensor([[0.0, 10.0], [0.0, 10.0]])[None, None]
    assert resize_like_tensorflow(row, 4)[0, 0, 0].tolist() == [0, 5, 10, 10]


def test_the_given_file_comes_first_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert INCEPTION_FILE.locate(weights) == weights
    cached = tmp_path / "hub" / "checkpoints" / FILE_NAME
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")
    assert INCEPTION_FILE.locate() == cached
    assert INCEPTION_FILE.locate(weights) == weights


def one_line_with_a_way_out(error: EvaluationError) -> bool:
    text = str(error)
    clues = ("https://github.com/toshas", FILE_NAME, "evaluation.inception_weights=", "evaluation.domain=true")
    return "\n" not in text and all(clue in text for clue in clues)


def test_missing_weights_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for given in (None, tmp_path / "nowhere.pth"):
        with pytest.raises(EvaluationError) as caught:
            INCEPTION_FILE.locate(given, allow_download=given is not None)
        assert one_line_with_a_way_out(caught.value)


class Hostile:
    """What a pickle could do to whoever opens it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_other_damaged_and_hostile_files_are_refused(tmp_path: Path, weights: Path) -> None:
    state = torch.load(weights, weights_only=True)
    trace = tmp_path / "executed"
    contents = {
        "list": [1, 2],
        "torchvision": {"fc.weight": torch.zeros(1000, 2048)},
        "too few": {"fc.weight": state["fc.weight"]},
        "renamed": {name if name == "fc.weight" else f"x.{name}": tensor for name, tensor in state.items()},
        "hostile": {"fc.weight": Hostile(trace)},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
    (tmp_path / "text").write_text("<html>404</html>")
    (tmp_path / "half").write_bytes(weights.read_bytes()[:1000000])
    for name in (*contents, "text", "half"):
        with pytest.raises(EvaluationError) as caught:
            InceptionExtractor(tmp_path / name)
        assert one_line_with_a_way_out(caught.value), name
    assert not trace.exists()


def test_a_download_is_whole_and_checked_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    target = tmp_path / "hub" / "checkpoints" / FILE_NAME

    def broken(*_: object, **__: object) -> None:
        raise DataError("no route to host")

    def truncated(_: str, path: Path) -> None:
        path.write_bytes(weights.read_bytes()[:100000])

    def whole(_: str, path: Path) -> None:
        path.write_bytes(weights.read_bytes())

    for download in (broken, truncated):
        monkeypatch.setattr(pretrained, "download", download)
        with pytest.raises(EvaluationError) as caught:
            INCEPTION_FILE.locate(allow_download=True)
        assert one_line_with_a_way_out(caught.value)
        assert list(target.parent.iterdir()) == []
    monkeypatch.setattr(pretrained, "download", whole)
    assert INCEPTION_FILE.locate(allow_download=True) == target
    assert target.stat().st_size == weights.stat().st_size
