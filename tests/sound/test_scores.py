"""Scores of generated sounds with a classifier whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from papergan.errors import EvaluationError
from papergan.sound.classifier import SoundClassifier
from papergan.sound.scores import sound_scores
from papergan.sound.settings import MelSettings
from papergan.sound.sounds import SoundSet

CLASSES = ("a", "b", "c", "d")


class Certain(SoundClassifier):
    """Takes the first sample of a sound for its class; features are one-hot, and logits 1000 times those."""

    def __init__(self, certainty: float = 1000.0) -> None:
        super().__init__(8000, CLASSES, MelSettings(fft=64, hop=16, bands=8), 1)
        nn.init.zeros_(self.classify.bias)
        with torch.no_grad():
            self.classify.weight.copy_(certainty * torch.eye(4))

    def features(self, sounds):
        return nn.functional.one_hot((sounds[:, 0, 0] * 32768).long(), 4).float()


def sounds(*classes):
    return torch.tensor(classes, dtype=torch.int16)[:, None].repeat(1, 64)


EVEN = sounds(*[0, 1, 2, 3] * 50)
REAL = SoundSet("real", EVEN, EVEN[:, 0].long(), CLASSES, 8000)


def test_certain_and_even_classes_have_the_greatest_scores():
    assert sound_scores(Certain(), EVEN, REAL) == pytest.approx(
        {
            "inception_score": 4.0, "inception_score_real": 4.0, "frechet": 0.0, "entropy_of_classes": math.log(4),
            "classes_drawn": 4.0,
        },
        abs=1e-6,
    )  # fmt: skip


def test_one_class_alone_has_the_least():
    found = sound_scores(Certain(), sounds(*[2] * 200), REAL)
    assert found["inception_score"] == pytest.approx(1.0)
    assert found["inception_score_real"] == pytest.approx(4.0)
    assert found["entropy_of_classes"] == 0.0
    assert found["classes_drawn"] == 1.0


def test_frechet_of_two_constants_is_their_squared_distance():
    real = replace(REAL, samples=sounds(*[1] * 20), labels=torch.ones(20, dtype=torch.int64))
    assert sound_scores(Certain(), sounds(*[0] * 30), real)["frechet"] == pytest.approx(2.0, abs=1e-6)


def test_uncertain_answers_have_the_score_of_the_definition():
    """Every p(y|x) is (e, 1, 1, 1) / (e + 3) in some order, and p(y) is even."""
    p = torch.tensor([math.e, 1, 1, 1], dtype=torch.float64) / (math.e + 3)
    expected = math.exp(float((p * (p * 4).log()).sum()))
    assert sound_scores(Certain(1.0), EVEN, REAL)["inception_score"] == pytest.approx(expected, rel=1e-6)


def test_entropy_is_in_nats_of_the_predicted_shares():
    found = sound_scores(Certain(), sounds(*[0] * 150, *[1] * 50), REAL)["entropy_of_classes"]
    assert found == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


@pytest.mark.parametrize(("rare", "drawn"), [(1, 1.0), (2, 2.0)])
def test_a_class_is_drawn_from_one_in_a_hundred_on(rare, drawn):
    assert sound_scores(Certain(), sounds(*[0] * (200 - rare), *[3] * rare), REAL)["classes_drawn"] == drawn


def test_other_sounds_are_refused():
    for wrong in (EVEN.float(), EVEN[:, None], EVEN[:, :63]):
        with pytest.raises(EvaluationError, match=r"must be int16 \[N, 64\]"):
            sound_scores(Certain(), wrong, REAL)
    with pytest.raises(EvaluationError, match="real has 4000 Hz"):
        sound_scores(Certain(), EVEN, replace(REAL, rate=4000))
    with pytest.raises(EvaluationError, match="at least 2 features"):
        sound_scores(Certain(), EVEN[:1], REAL)
