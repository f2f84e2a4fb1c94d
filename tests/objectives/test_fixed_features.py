"""Distances of features by networks that never move: formulas, gradients, and what of them is not stored."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import EvaluationError
from papergan.extractors import fixed_networks
from papergan.extractors.domain_classifier import BY_CHANNEL, KIND, DomainClassifier
from papergan.extractors.fixed_networks import ClassifierMaps, check_fixed, fixed_network, give_fixed_networks
from papergan.extractors.settings import ExtractorSettings
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.training_step import training_step
from papergan.objectives.fixed_features import fixed_features, with_stand_ins
from papergan.randomness import seeded
from papergan.weights import Weights

CPU = torch.device("cpu")
SPEC = ImageSpec(3, 16, 4, ImageSpec(3, 8))
SMALL = {"width": 4, "discriminator_width": 4, "blocks": 1, "pretraining_steps": 0, "content": "domain_classifier"}


def classifier() -> Weights:
    with seeded(0, "classifier"):
        network = DomainClassifier(ImageSpec(3, 16, 4), [4, 6, 8, 10])
    about = {"kind": KIND, "classes": list("abcd"), "channels": 3, "size": 16, "widths": [4, 6, 8, 10]}
    return Weights(network.state_dict(), {k: v if isinstance(v, str) else json.dumps(v) for k, v in about.items()})


def test_the_distance_is_that_of_the_maps_written_out():
    game = systems.build("srgan", SPEC, SMALL, seed=0)
    give_fixed_networks(game, ExtractorSettings(), classifier())
    turn = game.turns[-1]
    term = next(one for one in turn.objective if one.name == "fixed_feature_distance")
    context = StepContext(game, turn, SPEC.random_batch(3), Progress())
    network = fixed_network("domain_classifier", ExtractorSettings(), classifier(), CPU)
    assert isinstance(network, ClassifierMaps)
    wanted, fake, real = 0.0, context.fake(term.match), context.batch["image"]
    x = torch.cat([fake, real])
    x = network.classifier.stem(x)
    for group in network.classifier.groups:
        x = group(x)
        wanted += functional.mse_loss(x[:3], x[3:]).item()  # the mean over places and channels
    assert term(context).item() == pytest.approx(wanted, rel=1e-5)


def test_a_step_moves_the_generator_by_it_and_the_network_not_at_all():
    moved = {}
    for weight in (0.0, 1.0):
        game = systems.build("srgan", SPEC, {**SMALL, "content_weight": weight, "pixel_weight": 0.0}, seed=0)
        give_fixed_networks(game, ExtractorSettings(), classifier())
        fixed = [features._network for features in fixed_features(game)]
        before = [copy.deepcopy(network.state_dict()) for network in fixed]
        torch.manual_seed(0)
        report = training_step(game, [SPEC.random_batch(4)], Progress())
        assert (report["generator.fixed_feature_distance"] > 0) == (weight > 0)
        torch.testing.assert_close([network.state_dict() for network in fixed], before, atol=0, rtol=0)
        assert not any("classifier" in name for name in game.state_dict()["networks"])
        moved[weight] = game.networks["generator"].first[0].weight.detach().clone()
    assert not torch.equal(moved[0.0], moved[1.0])


def test_another_classifier_has_another_digest():
    game = systems.build("srgan", SPEC, SMALL, seed=0)
    one, tensors = classifier(), dict(classifier().tensors)
    tensors["classify.bias"] = tensors["classify.bias"] + 1
    other = replace(one, tensors=tensors)
    first, again, second = (give_fixed_networks(game, ExtractorSettings(), weights) for weights in (one, one, other))
    assert first == again != second


def test_it_can_be_tried_without_the_network_and_not_trained():
    game = systems.build("srgan", SPEC, SMALL, seed=0)
    with pytest.raises(ValueError, match="'domain_classifier' was not given"):
        training_step(game, [SPEC.random_batch(2)], Progress())
    training_step(with_stand_ins(game), [SPEC.random_batch(2)], Progress())
    assert not fixed_features(systems.build("srgan", SPEC, {**SMALL, "content": "discriminator"}, seed=0))


def test_what_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(EvaluationError, match=r"VGG19.* is not at .*550 MB\) and set evaluation.vgg19_weights=<file>"):
        check_fixed("vgg19", ExtractorSettings())
    with pytest.raises(EvaluationError, match=r"evaluation.vgg19_weights: there is no file"):
        check_fixed("vgg19", ExtractorSettings(vgg19_weights=str(tmp_path / "none")))
    with pytest.raises(EvaluationError, match=r"set evaluation.domain=true"):
        check_fixed("domain_classifier", ExtractorSettings(domain=False))
    stacked = replace(classifier(), metadata={**classifier().metadata, BY_CHANNEL: "True"})
    with pytest.raises(EvaluationError, match="not for stacked images"):
        fixed_network("domain_classifier", ExtractorSettings(), stacked, CPU)
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(EvaluationError, match=r"is not torchvision's VGG19.*classifier.6.weight"):
        fixed_network("vgg19", ExtractorSettings(vgg19_weights=str(tmp_path / "other.pth")), classifier(), CPU)


def test_the_map_of_vgg19_is_that_of_sixteen_convolutions(monkeypatch, tmp_path):
    from torchvision.models import vgg

    monkeypatch.setitem(vgg.cfgs, "E", [n if n == "M" else n // 16 for n in vgg.cfgs["E"]])  # a sixteenth as wide

    class Narrow(vgg.VGG):
        def __init__(self, features, **kwargs):
            super().__init__(features, **kwargs)
            self.classifier = torch.nn.Sequential(torch.nn.Linear(32 * 49, 2))

    monkeypatch.setattr(vgg, "VGG", Narrow)
    from torchvision.models import vgg19

    torch.manual_seed(0)
    state = vgg19(init_weights=False).state_dict()
    torch.save(state, tmp_path / "vgg19.pth")
    known = replace(fixed_networks.VGG19_FILE, last_layer=(2, 32 * 49), num_tensors=34, last_name="classifier.0.weight")
    monkeypatch.setattr(fixed_networks, "VGG19_FILE", known)
    settings = ExtractorSettings(vgg19_weights=str(tmp_path / "vgg19.pth"))
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    (found,) = fixed_network("vgg19", settings, classifier(), CPU)(images)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x, weights = ((images + 1) / 2 - mean) / deviation, iter(state.values())
    for stage, count in enumerate((2, 2, 4, 4, 4)):
        x = functional.max_pool2d(x, 2) if stage else x
        for _ in range(count):
            x = functional.conv2d(x, next(weights), next(weights), padding=1).relu()
    assert found.shape == (2, 32, 2, 2)
    torch.testing.assert_close(found, x / 12.75)
