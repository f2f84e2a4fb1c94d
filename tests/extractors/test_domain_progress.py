"""A domain classifier whose training was stopped anywhere is, once gone on with, the one that never was."""

from __future__ import annotations

import logging
import os
import signal
from itertools import count

import pytest
import torch

from extractors.test_domain_classifier import patches, unlabelled
from papergan.config.evaluation import DomainClassifierSettings
from papergan.data.images import ImageSplits
from papergan.datasets.feature_cache import FeatureCache, UnfinishedWork
from papergan.errors import EvaluationStopped, Interrupted
from papergan.extractors.domain_progress import Resuming
from papergan.extractors.domain_training import train_domain_classifier
from papergan.pipelines.experiment.nodes import references
from papergan.weights import Weights

SETTINGS = DomainClassifierSettings.parse("domain_classifier", {"epochs": 3, "width": 4})
CPU = torch.device("cpu")
BATCHES = 3 * 2  # of 250 images


@pytest.fixture(scope="module")
def splits() -> ImageSplits:
    return ImageSplits(patches("train", 520, 0, size=8), patches("test", 60, 1, size=8))


def trained(
    splits: ImageSplits, *, unfinished: Weights | None = None, stop_at: int | None = None, kept=None, seen=None
):
    asked = count()
    resuming = Resuming(unfinished, (kept if kept is not None else []).append, lambda: next(asked) == stop_at)
    return train_domain_classifier(
        splits.train, splits.test, epochs=3, widths=(4, 4, 8, 8), resuming=resuming,
        on_epoch=None if seen is None else lambda epoch, numbers: seen.append((epoch, numbers)),
    )  # fmt: skip


@pytest.mark.parametrize("classes", [True, False])
def test_stopped_after_any_batch_it_comes_to_the_same_bits(splits, classes):
    if not classes:
        splits = ImageSplits(unlabelled(splits.train), unlabelled(splits.test))
    told: list = []
    whole = trained(splits, seen=told)
    for stop_at in range(1, BATCHES):
        kept, seen = [], []
        with pytest.raises(EvaluationStopped, match=f"after {stop_at} batches"):
            trained(splits, stop_at=stop_at, kept=kept, seen=seen)
        again = trained(splits, unfinished=kept[-1], seen=seen)
        assert again.digest == whole.digest
        assert again.metadata == whole.metadata
        assert seen == told


def test_a_state_is_kept_after_every_epoch_and_none_before_the_first_batch(splits):
    kept: list = []
    trained(splits, kept=kept)
    assert [int(state.metadata["step"]) for state in kept] == [2, 4, 6]
    assert trained(splits, unfinished=kept[-1]).digest == trained(splits).digest  # only its scores were to come
    kept.clear()
    with pytest.raises(EvaluationStopped):
        trained(splits, stop_at=0, kept=kept)
    assert not kept


def test_a_state_of_another_training_is_not_taken(splits):
    kept: list = []
    with pytest.raises(EvaluationStopped):
        trained(splits, stop_at=3, kept=kept)
    whole, state = trained(splits).digest, kept[-1]
    for name, value in (("seed", "1"), ("data_digest", "0" * 64), ("torch", "1.0"), ("learning_rate", "9.0")):
        assert trained(splits, unfinished=Weights(state.tensors, {**state.metadata, name: value})).digest == whole
    fewer = {name: tensor for name, tensor in state.tensors.items() if name != "sums"}
    assert trained(splits, unfinished=Weights(fewer, state.metadata)).digest == whole


def signalled(monkeypatch, at: int) -> None:
    """SIGINT to this process in its `at`-th batch from now."""
    augmented, batch = references.train_classifier.__globals__["_augmented"], count(1)

    def strike(*arguments):
        if next(batch) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return augmented(*arguments)

    monkeypatch.setitem(references.train_classifier.__globals__, "_augmented", strike)


def test_a_signal_is_obeyed_between_two_batches_and_the_next_run_goes_on(splits, tmp_path, monkeypatch, caplog):
    whole = references.classifier_of(splits, SETTINGS, FeatureCache(tmp_path / "other"), CPU)
    assert not list((tmp_path / "other").glob("unfinished-*"))
    cache = FeatureCache(tmp_path / "shelf")
    signalled(monkeypatch, 3)
    with pytest.raises(Interrupted, match=r"^stopped by signal 2 in the training of the domain classifier; run again"):
        references.classifier_of(splits, SETTINGS, cache, CPU)
    (draft,) = cache.folder.iterdir()
    assert draft.name.startswith("unfinished-domain_classifier-")
    with caplog.at_level(logging.INFO):
        again = references.classifier_of(splits, SETTINGS, cache, CPU)
    assert again.digest == whole.digest
    assert "Going on with the domain classifier of patches/train after batch 3 of 6" in caplog.text
    assert [path.name for path in cache.folder.iterdir()] == [draft.name.removeprefix("unfinished-")]
    assert next(cache.folder.iterdir()).read_bytes() == next((tmp_path / "other").iterdir()).read_bytes()


def test_a_signal_in_the_last_batch_leaves_the_finished_classifier(splits, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    signalled(monkeypatch, BATCHES)
    with pytest.raises(Interrupted):
        references.classifier_of(splits, SETTINGS, cache, CPU)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("domain_classifier-")


def test_a_damaged_draft_is_said_to_be_so_and_training_begins_anew(splits, tmp_path, monkeypatch, caplog):
    whole, cache = trained(splits), FeatureCache(tmp_path)
    signalled(monkeypatch, 3)
    with pytest.raises(Interrupted):
        references.classifier_of(splits, SETTINGS, cache, CPU)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert UnfinishedWork(path.with_name(path.name.removeprefix("unfinished-"))).load() is None
    with caplog.at_level(logging.WARNING):
        again = references.classifier_of(splits, SETTINGS, cache, CPU)
    assert "begun anew, since" in caplog.text
    assert "is damaged" in caplog.text
    assert set(again.tensors) == set(whole.tensors)
