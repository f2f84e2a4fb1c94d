"""Pipes, devices and links to them where files should be: nobody waits for them, nobody reads them to no end."""

from __future__ import annotations

import logging
import os

import pytest
from kedro.io import DataCatalog, DatasetError, Version
from kedro.pipeline import Pipeline, node

from helpers.formats import FORMATS, weights
from helpers.no_files import bounded, put, quickly
from helpers.project_run import score_card
from papergan.config.registry import discover
from papergan.data.library import _from_copy
from papergan.data.memory import read_into_memory
from papergan.data.socofing import read_socofing
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.scores import ScoreCardDataset, ScoreCardsDataset
from papergan.datasets.trial_results import ModeTrialStore
from papergan.datasets.weights import WeightsDataset
from papergan.errors import DataError, MemoryShortError, PaperganError, RecipeError, known_cause
from papergan.hooks.catalog_checks import find_dataset_errors
from papergan.weights import Weights

pytestmark = quickly
KINDS = ("pipe", "link to a pipe", "link to zeros")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_reading_it_is_one_line(tmp_path, name, kind):
    one = FORMATS[name]
    one.write(tmp_path)
    put(kind, tmp_path / one.file)
    with bounded(), pytest.raises((PaperganError, DatasetError)) as caught:
        one.read(tmp_path)
    line = str(known_cause(caught.value))
    assert "\n" not in line
    assert str(tmp_path) in line
    assert one.exists is None or not one.exists(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["scores", "generator"])
def test_one_bad_card_or_generator_blocks_no_comparison(tmp_path, caplog, what, kind):
    scores, models = tmp_path / "08_reporting", tmp_path / "06_models"
    for experiment, run in (("one", 1), ("two", 2)):
        version = Version(None, f"2026-01-0{run}T00.00.00.000Z")
        card = score_card(experiment=experiment, generator_digest=weights().digest)
        WeightsDataset(filepath=f"{models}/{experiment}/generator.safetensors", version=version).save(weights())
        ScoreCardDataset(filepath=f"{scores}/{experiment}/scores.json", version=version).save(card)
    (bad,) = (scores if what == "scores" else models).glob(f"two/*/*/{what}.*")
    put(kind, bad)
    with bounded():
        cards = ScoreCardsDataset(filepath=str(scores), models=str(models)).load()
    assert [card.experiment for card in cards.values()] == ["one"]
    assert f"left out of the comparison: {bad} is a" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_made_again_is_made_again(tmp_path, kind):
    cache = FeatureCache(tmp_path)
    put(kind, cache.path_of("rows", {"a": 1}))
    with bounded():
        assert cache.get_or_compute("rows", {"a": 1}, weights).digest == weights().digest
    assert cache.path_of("rows", {"a": 1}).is_file()
    put(kind, tmp_path / "copy")
    put(kind, tmp_path / "key.json")
    with bounded():
        assert _from_copy(tmp_path / "copy", "0" * 64) is None
        assert ModeTrialStore(tmp_path, tmp_path / "work").find("key") is None


@pytest.mark.parametrize("kind", KINDS)
def test_configuration(tmp_path, kind):
    put(kind, tmp_path / "parameters.yml")
    with bounded(), pytest.raises(RecipeError, match="parameters.yml cannot be read: .* expected a regular file"):
        discover(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_kedro_itself_would_read_or_write_is_refused_before_the_run(tmp_path, kind):
    put(kind, tmp_path / "finished.json")
    entry = {"type": "kedro_datasets.json.JSONDataset", "filepath": str(tmp_path / "finished.json")}
    versioned = {"type": "kedro_datasets.json.JSONDataset", "filepath": str(tmp_path / "many.json"), "versioned": True}
    catalog = DataCatalog.from_config({"mine.finished": entry, "mine.many": versioned})
    catalog.save("mine.many", {})
    pipeline = Pipeline([node(lambda: (None, None), None, ["mine.finished", "mine.many"], name="a")])
    (line,) = find_dataset_errors(pipeline, catalog)
    assert line.startswith(f"mine.finished: {tmp_path / 'finished.json'} is a ")


def test_a_pipe_among_prints_is_refused(tmp_path):
    os.mkfifo(tmp_path / "1__M_Left_index_finger.BMP")
    with pytest.raises(DataError, match="finger.BMP is not a file"):
        read_socofing(tmp_path, "socofing", size=8, held_out_subjects=1, altered=False)


def test_what_does_not_fit_into_memory_is_said_and_is_no_damage(tmp_path, monkeypatch):
    dataset = WeightsDataset(filepath=str(tmp_path / "a.safetensors"))
    dataset.save(Weights({"a": weights().tensors["a.w"]}))
    assert dataset.exists()
    monkeypatch.setattr("papergan.data.memory.LARGE_FILE", 0)
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 10)
    with pytest.raises(MemoryShortError, match="a.safetensors has 0.0 GB, 0.0 GB of memory are available"):
        read_into_memory(tmp_path / "a.safetensors")
    with pytest.raises((MemoryShortError, DatasetError)):  # else it would be made again, which takes hours
        dataset.exists()
    with pytest.raises(DataError, match="needs 0.0 GB of memory"):
        FORMATS["image set"].write(tmp_path)
        FORMATS["image set"].read(tmp_path)


@pytest.fixture(autouse=True)
def _record_warnings(caplog):
    caplog.set_level(logging.WARNING)
