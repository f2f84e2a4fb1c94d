"""The metrics of conditional generators in the evaluator: which there are, of what, and where there are none."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers.toy_extractor import PixelExtractor
from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.evaluation.compute_metrics import score_classes
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.image_features import SampleFeatures
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.real_image_scores import real_rows
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References
from papergan.extractors.domain_training import train_classifier_of_width
from papergan.extractors.feature_extractor import Features
from papergan.game.priors import Gaussian, Prior, WithChoice
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.metrics.conditional import class_accuracies_by_name, intra_class_distances, statistics_by_class
from papergan.training.numerics import numerics

NAMES = ("red", "green", "blue")
RULES = EvaluationRules(
    num_samples=120, inception_splits=2, kid_subsets=2, kid_subset_size=20, manifold_samples=60, class_samples=120
)
NEW = ("class_accuracy", "intra_fid", "cas", "nas")


class Colours(nn.Module):
    """Images of which the channel of the class is bright, whatever the latent adds."""

    def forward(self, latent: torch.Tensor, classes: torch.Tensor | None = None) -> torch.Tensor:
        colour = torch.zeros(len(latent), 3) if classes is None else classes
        return (colour + 0.2 * latent[:, :3] - 0.5)[:, :, None, None].expand(-1, -1, 8, 8).clamp(-1, 1)


def coloured(name: str, count: int, seed: int) -> ImageSet:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    noise = torch.randint(0, 60, (count, 3, 8, 8), generator=draw)
    noise[torch.arange(count), labels] += 150
    return ImageSet(name, noise.to(torch.uint8), labels, NAMES)


TRAIN, TEST = coloured("toy/train", 240, 0), coloured("toy/test", 120, 1)


def references(**changes: object) -> References:
    extractor = PixelExtractor(**{"class_names": NAMES} | changes)
    real, held_out = (ImageFeatures.of(some, extractor, 50) for some in (TRAIN, TEST))
    return {extractor.name: Reference.between(ExtractorFacts.of(extractor), real, held_out, "train", 120)}


def evaluator(conditional: bool = True, **changes: object) -> Evaluator:
    extractor = PixelExtractor(**{"class_names": NAMES} | changes)
    return Evaluator([extractor], references(**changes), real=TRAIN, held_out=TEST, conditional=conditional)


def sampler(prior: Prior | None = None) -> Sampler:
    return Sampler(prior or WithChoice(Gaussian(4), 3), Colours())


def of_classes(scores: dict[str, float]) -> set[str]:
    return {name for name in scores if any(new in name for new in NEW)}


def test_a_generator_that_does_as_it_is_told() -> None:
    scores = evaluator().score_sampler(sampler(), RULES, progress=Progress())
    assert scores["domain_class_accuracy"] == 1.0
    by_class = [scores[f"domain_intra_fid_class_{label}"] for label in range(3)]
    assert scores["domain_intra_fid"] == pytest.approx(sum(by_class) / 3)
    assert [scores[f"domain_class_accuracy_class_{label}"] for label in range(3)] == [1.0] * 3
    assert not {"cas", "nas", "nas_real", "nas_flips"} & set(scores)


def test_one_that_mixes_classes_up_is_noticed_within_classes_alone() -> None:
    class Wrong(Colours):
        def forward(self, latent, classes=None):
            return super().forward(latent, classes.roll(1, dims=1))

    wrong = Sampler(WithChoice(Gaussian(4), 3), Wrong())
    right, mixed = (evaluator().score_sampler(one, RULES, progress=Progress()) for one in (sampler(), wrong))
    assert mixed["domain_class_accuracy"] == 0.0
    assert mixed["domain_intra_fid"] > 10 * right["domain_intra_fid"]
    assert mixed["domain_fid"] == pytest.approx(right["domain_fid"], rel=0.2)


def test_any_other_generator_has_none_of_them() -> None:
    scores = evaluator(conditional=False).score_sampler(sampler(Gaussian(4)), RULES, progress=Progress())
    assert of_classes(scores) == set()


def test_without_a_classifier_there_are_distances_and_while_training_accuracies() -> None:
    scores = evaluator(class_names=()).score_sampler(sampler(), RULES, progress=Progress())
    assert of_classes(scores) == {"domain_intra_fid", *(f"domain_intra_fid_class_{label}" for label in range(3))}
    rules = replace(RULES, class_samples=0)
    assert of_classes(evaluator().score_sampler(sampler(), rules, progress=Progress())) == {"domain_class_accuracy"}


def test_path_lengths_are_of_as_many_paths_as_the_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sampler_path_length", "style_path_length"):
        monkeypatch.setattr(f"papergan.evaluation.evaluator.{name}", lambda *_, count, **__: float(count))
    rules = replace(RULES, path_samples=7)
    scores = evaluator(conditional=False).score_sampler(sampler(Gaussian(4)), rules, progress=Progress())
    assert (scores["domain_ppl"], scores["domain_ppl_w"]) == (7.0, 7.0)


def test_the_accuracy_of_all_is_over_images_not_over_classes() -> None:
    logits = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1]), 3).float()
    labels, rules = torch.tensor([0, 0, 0, 1]), replace(RULES, class_samples=0)
    found = score_classes(Features(torch.zeros(4, 3), logits), labels, references()["domain"], list, NAMES, rules)
    assert found == {"domain_class_accuracy": 3 / 4}
    found = score_classes(Features(torch.zeros(4, 3), logits), labels, references()["domain"], list, NAMES, RULES)
    assert {name: value for name, value in found.items() if "class_accuracy_class" in name} == {
        "domain_class_accuracy_class_0": pytest.approx(2 / 3), "domain_class_accuracy_class_1": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("classes", [("blue", "red"), ("blue", "red", "green"), ("green",)])
def test_classes_are_those_of_the_recipe_by_name(classes: tuple[str, ...]) -> None:
    """A recipe may train on some classes, in any order; the classifier knows those of the data set."""
    labels, rules = torch.arange(12) % len(classes), replace(RULES, class_samples=0)
    right = torch.nn.functional.one_hot(torch.tensor([NAMES.index(one) for one in classes])[labels], 3).float()
    held = references()["domain"]
    assert score_classes(Features(torch.zeros(12, 3), right), labels, held, list, classes, rules) == {
        "domain_class_accuracy": 1.0
    }
    other = [name for name in NAMES if name not in classes]
    wrong = right.clone()
    wrong[labels == 0] = torch.eye(3)[NAMES.index(other[0]) if other else NAMES.index(classes[1])]
    found = class_accuracies_by_name(wrong, labels, classes, NAMES)
    assert found.tolist() == [0.0] + [1.0] * (len(classes) - 1)
    with pytest.raises(EvaluationError, match="the classifier knows the classes red, green, blue, and not mauve"):
        class_accuracies_by_name(right, labels, ("mauve", *classes[1:]), NAMES)


def test_the_distances_are_of_a_draw_of_so_many() -> None:
    pixels, labels = TRAIN.images[:90], TRAIN.labels[:90]
    held, extractor = references()["domain"], PixelExtractor()
    features = extractor(pixels)
    scores = evaluator().score_features(SampleFeatures({"domain": features}, pixels, 90, labels), RULES)
    whole = intra_class_distances(
        statistics_by_class(features.features, labels, 3),
        statistics_by_class(held.real.features.features, TRAIN.labels, 3),
    )
    assert scores["domain_intra_fid"] == pytest.approx(sum(whole) / 3)  # there are no more than 90
    fewer = evaluator().score_features(
        SampleFeatures({"domain": features}, pixels, 90, labels), replace(RULES, class_samples=30)
    )
    assert fewer["domain_intra_fid"] != scores["domain_intra_fid"]


def test_a_class_that_is_never_drawn_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    features = PixelExtractor()(TRAIN.images[:60])
    labels = torch.zeros(60, dtype=torch.int64)
    with caplog.at_level(logging.WARNING):
        scores = evaluator().score_features(SampleFeatures({"domain": features}, TRAIN.images[:60], 60, labels), RULES)
    assert "left out: domain_intra_fid: class 1 has 0 images" in caplog.text
    assert of_classes(scores) == {"domain_class_accuracy", "domain_class_accuracy_class_0"}


def test_a_classifier_learns_from_samples_and_from_real_images_in_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[ImageSet, ImageSet, dict[str, object]]] = []

    def score(generated: ImageSet, test: ImageSet, **how: object) -> float:
        asked.append((generated, test, how))
        return 0.75

    monkeypatch.setattr("papergan.evaluation.evaluator.classification_accuracy_score", score)
    rules = replace(RULES, cas_samples=700, cas_epochs=20, cas_width=4, cas_flip=True)
    assert evaluator().score_sampler(sampler(), rules, progress=Progress())["cas"] == 0.75
    honest, copies = real_rows(TRAIN, TEST, references(), rules, conditional=True)
    assert copies.metrics["cas"] == 0.75
    assert "cas" not in honest.metrics  # it would learn from the images that it is tested on
    for generated, test, how in asked:
        assert len(generated) == 700
        assert torch.equal(generated.images.float().mean((2, 3)).argmax(1), generated.labels)
        assert (test, how["epochs"], how["width"], how["flip"]) == (TEST, 20, 4, True)
    turned = replace(rules, reference_split="test")
    held = references()["domain"]
    swapped = {"domain": Reference.between(held.extractor, held.held_out, held.real, "test", 120)}
    honest, copies = real_rows(TEST, TRAIN, swapped, turned, conditional=True)
    assert ("cas" in honest.metrics, "cas" in copies.metrics) == (True, False)
    assert asked[-1][1] is TEST


NAS = replace(RULES, nas_samples=300, nas_share=0.5, nas_epochs=20, nas_width=4, nas_flip=True)


def test_a_classifier_learns_from_real_images_alone_mirrored_and_with_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[ImageSet, ImageSet, dict[str, object]]] = []

    def score(real: ImageSet, test: ImageSet, **how: object) -> float:
        asked.append((real, test, how))
        return {(False, False): 0.6, (False, True): 0.7, (True, False): 0.8}[how["generated"] is not None, how["flip"]]

    monkeypatch.setattr("papergan.evaluation.evaluator.naive_augmentation_score", score)
    judge = evaluator()
    scores = judge.score_sampler(sampler(), NAS, progress=Progress())
    assert {name: scores[name] for name in ("nas_real", "nas_flips", "nas")} == {
        "nas_real": 0.6, "nas_flips": 0.7, "nas": 0.8,
    }  # fmt: skip
    for real, test, how in asked:
        assert (real, test) == (TRAIN, TEST)
        assert [how[name] for name in ("images", "epochs", "width", "seed")] == [600, 20, 4, 0]
    generated = asked[-1][2]["generated"]
    assert isinstance(generated, ImageSet)
    assert torch.equal(generated.images.float().mean((2, 3)).argmax(1), generated.labels)
    again = judge.score_sampler(sampler(), NAS, progress=Progress())
    assert (len(asked), again["nas_real"]) == (4, 0.6)  # what no generator decides is measured once
    digits = judge.score_sampler(sampler(), replace(NAS, nas_flip=False), progress=Progress())
    assert "nas_flips" not in digits
    assert "nas" not in evaluator(conditional=False).score_sampler(sampler(Gaussian(4)), NAS, progress=Progress())


def test_the_real_training_images_are_those_of_the_other_split_where_that_is_the_reference() -> None:
    held = references()["domain"]
    swapped = {"domain": Reference.between(held.extractor, held.held_out, held.real, "test", 120)}
    turned = replace(NAS, reference_split="test", nas_epochs=1, nas_flip=False)
    judge = Evaluator([PixelExtractor(class_names=NAMES)], swapped, real=TEST, held_out=TRAIN, conditional=True)
    assert judge._train_and_test(turned, "it", "nas_samples") == (TRAIN, TEST)
    alone = Evaluator([PixelExtractor(class_names=NAMES)], swapped, real=TEST, conditional=True)
    with pytest.raises(EvaluationError, match="needs real training and test images; set nas_samples to 0"):
        alone.augmentation_accuracies(TRAIN, turned)


def test_real_rows_have_the_anchors_of_conditional_generators_alone() -> None:
    honest, _ = real_rows(TRAIN, TEST, references(), RULES, conditional=True)
    assert honest.metrics["domain_class_accuracy"] == 1.0
    assert honest.metrics["domain_intra_fid"] < 60
    assert not any(of_classes(row.metrics) for row in real_rows(TRAIN, TEST, references(), RULES))


def test_kernels_of_a_classifier_of_samples_are_those_of_the_evaluation() -> None:
    seen = set()

    def should_stop() -> bool:
        seen.add(torch.are_deterministic_algorithms_enabled())
        return False

    for deterministic in (True, False):
        with numerics("float32", deterministic=deterministic):
            train_classifier_of_width(
                TRAIN, TEST, epochs=1, width=4, flip=False, seed=0, device="cpu", should_stop=should_stop
            )
        assert seen == {deterministic}
        seen.clear()
