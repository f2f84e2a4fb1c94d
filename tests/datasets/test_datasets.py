"""This project's own datasets: what is read is what was written, and what exists is whole."""

from __future__ import annotations

import json

import pytest
import torch
from kedro.io import DatasetError, Version
from matplotlib.figure import Figure

from helpers.formats import catalogued
from helpers.project_run import score_card
from papergan.datasets.checkpoints import CheckpointsDataset
from papergan.datasets.digested_json import ModelDataset, encode_with_digest
from papergan.datasets.feature_cache import FeatureCache, FeatureCacheDataset
from papergan.datasets.history import HistoryDataset
from papergan.datasets.picture import PictureDataset
from papergan.datasets.scores import ScoreCardDataset
from papergan.evaluation.scorecard import RealRow
from papergan.training.history import History
from papergan.weights import Weights


def history() -> History:
    made = History()
    made.losses = [{"step": 2, "epoch": 0.1, "images": 32, "generator.generator_loss": -0.125}]
    made.losses += [{"step": 4, "epoch": 0.2, "images": 64, "generator.generator_loss": 1e-17, "discriminator.r1": 0.3}]
    made.metrics = [{"step": 4, "epoch": 0.2, "images": 64, "domain_fid": 12.0}]
    return made


def test_a_history_comes_back_exactly(tmp_path):
    dataset = HistoryDataset(filepath=str(tmp_path / "history.csv"))
    dataset.save(history())
    again = dataset.load()
    assert again.losses == history().losses
    assert again.metrics == history().metrics
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header.startswith("kind,step,epoch,images,")


def test_a_foreign_csv_is_no_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="not a history"):
        HistoryDataset(filepath=str(path)).load()


@pytest.mark.parametrize("kind", [ScoreCardDataset, catalogued("{experiment}.real_rows")])
def test_what_an_earlier_version_scored_is_refused_in_one_line(tmp_path, kind):
    """It did not say which images were held out, on which copy rates and floors depend."""
    card, dataset = score_card(), kind(filepath=str(tmp_path / "a.json"))
    row = RealRow(name="real test set", dataset="synthetic_shapes/test", protocols=card.protocols, metrics={})
    dataset.save(card if kind is ScoreCardDataset else (row,))
    content = json.loads((tmp_path / "a.json").read_text())
    for document in [content, *content.get("rows", [])]:
        for protocol in document.get("protocols", []):
            del protocol["held_out_digest"], protocol["held_out_count"], protocol["floor_count"]
    del content["sha256"]
    (tmp_path / "a.json").write_bytes(encode_with_digest(content))
    with pytest.raises(DatasetError, match=r"made by an earlier version[^\n]*\); (evaluate the run|score them) again$"):
        dataset.load()
    assert not dataset.exists()


@pytest.mark.parametrize("model", ["os.path.join", "papergan.cli.run", "kedro.io.Version", "papergan.nothing.Here"])
def test_a_catalog_names_models_of_this_project_only(tmp_path, model):
    with pytest.raises(DatasetError, match="is not a pydantic model of papergan"):
        ModelDataset(filepath=str(tmp_path / "a"), model=model, what="w", remedy="r")


def test_a_score_card_comes_back_exactly(tmp_path):
    dataset = ScoreCardDataset(filepath=str(tmp_path / "scores.json"))
    dataset.save(score_card())
    assert dataset.load() == score_card()
    assert '"domain_fid": 9.0' in dataset.preview()


@pytest.mark.parametrize("kind", [HistoryDataset, ScoreCardDataset, PictureDataset])
def test_versions_are_kept_apart_and_the_newest_is_loaded(tmp_path, kind):
    path = str(tmp_path / "file")
    assert not kind(filepath=path, version=Version(None, None)).exists()
    samples = {HistoryDataset: history(), ScoreCardDataset: score_card(), PictureDataset: Figure()}
    for version in ("2026-01-01", "2026-01-02"):
        kind(filepath=path, version=Version(None, version)).save(samples[kind])
    newest = kind(filepath=path, version=Version(None, None))
    assert newest.exists()
    assert newest.path.parent.name == "2026-01-02"
    with pytest.raises(DatasetError, match="must not exist"):
        kind(filepath=path, version=Version(None, "2026-01-01")).save(samples[kind])


def test_a_figure_is_a_png_that_can_be_previewed_but_not_loaded(tmp_path):
    dataset = PictureDataset(filepath=str(tmp_path / "figure.png"))
    dataset.save(Figure())
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(dataset.preview()) > 100
    with pytest.raises(DatasetError, match="not loaded"):
        dataset.load()


def test_checkpoints_are_opened_by_fingerprint_and_not_created_by_looking(tmp_path):
    dataset = CheckpointsDataset(filepath=str(tmp_path / "checkpoints"))
    store = dataset.load().open("abc")
    assert store.latest() is None
    assert not (tmp_path / "checkpoints").exists()
    with pytest.raises(DatasetError, match="training node"):
        dataset.save(store)


class TestShelf:
    @staticmethod
    def weights(value: float) -> Weights:
        return Weights({"w": torch.full((3,), value)}, {"about": "test"})

    @staticmethod
    def forbidden() -> Weights:
        raise AssertionError("made again")

    def test_what_was_made_is_taken_the_next_time(self, tmp_path):
        cache = FeatureCacheDataset(filepath=str(tmp_path)).load()
        first = cache.get_or_compute("kind", {"epochs": 2}, lambda: self.weights(1.0))
        again = FeatureCache(tmp_path).get_or_compute("kind", {"epochs": 2}, self.forbidden)
        assert again.digest == first.digest
        assert again.metadata == {"about": "test"}

    def test_made_from_something_else_is_something_else(self, tmp_path):
        cache = FeatureCache(tmp_path)
        cache.get_or_compute("kind", {"epochs": 2}, lambda: self.weights(1.0))
        other = cache.get_or_compute("kind", {"epochs": 3}, lambda: self.weights(2.0))
        assert float(other.tensors["w"][0]) == 2.0

    def test_one_flipped_bit_is_noticed_and_it_is_made_anew(self, tmp_path, caplog):
        cache = FeatureCache(tmp_path)
        cache.get_or_compute("kind", {}, lambda: self.weights(1.0))
        (path,) = tmp_path.glob("kind-*.safetensors")
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        made = cache.get_or_compute("kind", {}, lambda: self.weights(3.0))
        assert float(made.tensors["w"][0]) == 3.0
        assert "damaged" in caplog.text
        assert cache.get_or_compute("kind", {}, self.forbidden).digest == made.digest
