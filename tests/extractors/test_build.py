from __future__ import annotations

import gc
import json
import weakref

import pytest
import torch

from papergan.data.images import ImageSpec
from papergan.errors import EvaluationError
from papergan.extractors import build
from papergan.extractors.build import extractors_of, fastest, weight_files
from papergan.extractors.domain_classifier import BY_CHANNEL, KIND, DomainClassifier
from papergan.extractors.settings import ExtractorSettings
from papergan.weights import Weights

CPU = torch.device("cpu")
SETTINGS = ExtractorSettings(inception=False, domain64=True)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_newest", {})


def classifier(seed: int, names: tuple[str, ...] = ("a", "b", "c")) -> Weights:
    torch.manual_seed(seed)
    network = DomainClassifier(ImageSpec(3, 16, 3), [4, 4, 4])
    facts = {"kind": KIND, "classes": json.dumps(names), "channels": "3", "size": "16", "widths": "[4, 4, 4]"}
    return Weights(network.state_dict(), facts)


def test_the_same_settings_give_the_same_extractors() -> None:
    first = extractors_of(SETTINGS, CPU, classifier(0))
    assert [extractor.name for extractor in first] == ["domain", "domain4"]
    assert extractors_of(SETTINGS, CPU, classifier(0)) is first
    assert fastest(first) is first[0]


def test_stacked_images_have_early_features_too() -> None:
    torch.manual_seed(0)
    network = DomainClassifier(ImageSpec(1, 16, 3), [4, 4, 4])
    facts = {"kind": KIND, "classes": '["a", "b", "c"]', "channels": "1", "size": "16", "widths": "[4, 4, 4]"}
    found = extractors_of(SETTINGS, CPU, Weights(network.state_dict(), facts | {BY_CHANNEL: "true"}))
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    assert [one.name for one in found] == ["domain", "domain4"]
    assert [one(images).features.shape for one in found] == [(2, one.dimension) for one in found]
    assert found[1].dimension == 3 * 4


def test_only_the_newest_are_kept() -> None:
    old = weakref.ref(extractors_of(SETTINGS, CPU, classifier(0))[0])
    for other in (classifier(1), classifier(1, ("x", "y", "z"))):
        new = extractors_of(SETTINGS, CPU, other)
        assert new[0].class_names == tuple(json.loads(other.metadata["classes"]))
        assert len(build._newest) == 1
    gc.collect()
    assert old() is None
    assert extractors_of(SETTINGS.model_copy(update={"domain64": False}), CPU, classifier(1)) is not new


def test_files_are_located_by_what_needs_them(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "weights.pth"
    file.write_bytes(b"")
    assert weight_files(SETTINGS) == {}
    both = {"inception_weights": str(file), "torchvision": True, "torchvision_weights": str(file)}
    assert weight_files(ExtractorSettings(inception=False, inception64=True, **both)) == {
        "inception_weights": file, "torchvision_weights": file,
    }  # fmt: skip
    with pytest.raises(EvaluationError, match="evaluation.inception_weights"):
        weight_files(ExtractorSettings(allow_download=False))
