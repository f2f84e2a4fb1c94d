"""The classifier: what it learns, that it is the same every time, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from papergan.errors import DataError, EvaluationError
from papergan.sound.classifier import _varied, features_and_logits, load_classifier, train_classifier
from papergan.sound.drawn_sounds import drawn_sounds
from papergan.sound.settings import ClassifierSettings, MelSettings
from papergan.sound.sounds import SoundSet, to_model_range
from papergan.weights import Weights, decode, encode

MEL, SETTINGS = MelSettings(fft=256, hop=64, bands=24), ClassifierSettings(width=4, epochs=4, least_steps=1)
TRAIN, TEST = (drawn_sounds(count, rate=8000, length=2048, seed=0, split=split)
               for count, split in ((400, "train"), (100, "test")))  # fmt: skip


@pytest.fixture(scope="module")
def weights():
    return train_classifier(TRAIN, MEL, SETTINGS)


def test_it_learns_the_classes(weights):
    _, logits = features_and_logits(load_classifier(weights), TEST.samples)
    assert (logits.argmax(1) == TEST.labels).double().mean() > 0.6  # chance is 0.1


def test_it_is_the_same_every_time_and_leaves_the_ambient_state(weights):
    before = torch.get_rng_state()
    torch.manual_seed(17)
    assert train_classifier(TRAIN, MEL, SETTINGS).digest == weights.digest
    torch.set_rng_state(before)
    train_classifier(replace(TRAIN, samples=TRAIN.samples[:8], labels=TRAIN.labels[:8]), MEL, SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)
    assert (
        train_classifier(TRAIN, MEL, ClassifierSettings(width=4, epochs=4, least_steps=1, seed=1)).digest
        != weights.digest
    )


def test_weights_come_back_from_a_file(weights):
    again = load_classifier(decode(encode(weights), Path("x")))
    one = load_classifier(weights)
    assert not again.training
    assert (again.rate, again.classes, again.dimension) == (8000, TRAIN.classes, 16)
    sounds = to_model_range(TEST.samples)
    assert torch.equal(again(sounds), one(sounds))
    assert again.features(sounds).shape == (100, 16)


def test_features_and_logits_are_those_of_all_sounds_in_parts(weights):
    classifier = load_classifier(weights)
    features, logits = features_and_logits(classifier, TRAIN.samples)
    sounds = to_model_range(TRAIN.samples)
    assert torch.allclose(features, classifier.features(sounds), atol=1e-4)
    assert torch.allclose(logits, classifier(sounds), atol=1e-4)


QUIET = (-2000.0, -2000.0)  # dB: none in float32


def test_training_sounds_have_noise_between_two_levels():
    noise = _varied(torch.zeros(300, 1, 4000), 1000, torch.Generator().manual_seed(0), (-60.0, -20.0))[:, 0]
    levels = 20 * noise.std(1).log10()
    assert -60.5 < float(levels.min()) < -58.0
    assert -22.0 < float(levels.max()) < -19.5
    assert float(levels.mean()) == pytest.approx(-40.0, abs=2.5)
    assert abs(float(noise.mean())) < 1e-3


def test_training_sounds_are_softer_and_shifted_and_nothing_else_but_noise():
    sounds = torch.zeros(200, 1, 1000)
    sounds[:, :, 400:410] = torch.arange(1.0, 11.0)
    varied = _varied(sounds, 1000, torch.Generator().manual_seed(0), QUIET)
    gains, places = varied[:, 0].amax(1) / 10, varied[:, 0].argmax(1)
    assert float(gains.min()) >= 0.5
    assert float(gains.max()) <= 1.0
    assert float(gains.std()) > 0.1
    assert (int(places.min()), int(places.max())) == (389, 429)  # 409 by 20 samples, 20 ms
    for row in range(200):
        start = int(places[row]) - 9
        assert torch.allclose(varied[row, 0, start : start + 10], gains[row] * torch.arange(1.0, 11.0))
        assert int((varied[row] != 0).sum()) == 10


def test_what_is_shifted_in_is_silence():
    varied = _varied(torch.ones(50, 1, 100), 1000, torch.Generator().manual_seed(1), QUIET)[:, 0]
    values = varied.amax(1, keepdim=True)
    assert ((varied == 0) | (varied == values)).all()
    silent = (varied == 0).sum(1)
    assert 10 < int(silent.max()) <= 20


def test_too_few_sounds_or_classes_are_refused():
    for few in (
        replace(TRAIN, samples=TRAIN.samples[:1], labels=TRAIN.labels[:1]),
        SoundSet("x", TRAIN.samples[:4], torch.zeros(4, dtype=torch.int64), ("a",), 8000),
    ):
        with pytest.raises(DataError, match="needs 2 sounds and 2 classes"):
            train_classifier(few, MEL, SETTINGS)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"kind": "domain classifier"}, "of no sound classifier but 'domain classifier'"),
        ({"width": "5"}, "do not fit its description"),
        ({"mel": '{"fft": 1}'}, "do not fit its description"),
        ({"rate": "fast"}, "do not fit its description"),
        ({"classes": '["a"]'}, "do not fit its description"),
    ],
)
def test_other_weights_are_refused(weights, metadata, message):
    with pytest.raises(EvaluationError, match=message):
        load_classifier(Weights(weights.tensors, {**weights.metadata, **metadata}))


def test_few_sounds_are_gone_through_until_there_were_enough_steps():
    few = drawn_sounds(20, rate=8000, length=1024, seed=0, split="train")
    asked = ClassifierSettings(width=2, epochs=1, least_steps=3)
    same = ClassifierSettings(width=2, epochs=3, least_steps=1)
    fewer = ClassifierSettings(width=2, epochs=2, least_steps=1)
    mel = MelSettings(fft=256, hop=64, bands=20)
    made = [train_classifier(few, mel, settings).digest for settings in (asked, same, fewer)]
    assert made[0] == made[1] != made[2]
