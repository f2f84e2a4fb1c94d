"""Data sets of the Hub: which of its parquet files are read. Nothing is fetched; the client is replaced."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from papergan.data.collection import hub_files
from papergan.errors import DataError


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub that holds these files; returns what was asked for."""
    asked = {}

    def snapshot(repository, **how):
        asked.update(how, repository=repository)
        return str(tmp_path)

    def make(*names):
        def listed(repository, **how):
            asked["listed"] = (repository, how)
            return list(names)

        api = SimpleNamespace(list_repo_files=listed)
        client = SimpleNamespace(HfApi=lambda: api, snapshot_download=snapshot)
        monkeypatch.setitem(sys.modules, "huggingface_hub", client)
        return asked

    return make


def test_the_training_files_of_the_only_configuration_in_order(hub, tmp_path):
    asked = hub("plain/train/0001.parquet", "plain/train/0000.parquet", "plain/test/0000.parquet", "README.md")
    assert hub_files("hf://datasets/org/cats") == [tmp_path / f"plain/train/000{place}.parquet" for place in (0, 1)]
    assert asked["repository"] == "org/cats"
    assert (asked["repo_type"], asked["revision"]) == ("dataset", "refs/convert/parquet")
    assert asked["listed"] == ("org/cats", {"repo_type": "dataset", "revision": "refs/convert/parquet"})
    assert asked["allow_patterns"] == ["plain/train/0000.parquet", "plain/train/0001.parquet"]


def test_one_of_several_configurations_is_named(hub, tmp_path):
    hub("small/train/0000.parquet", "large/train/0000.parquet")
    with pytest.raises(DataError, match="several configurations: write .* one of large, small"):
        hub_files("hf://datasets/org/cats")
    with pytest.raises(DataError, match="no configuration 'tiny'"):
        hub_files("hf://datasets/org/cats/tiny")
    assert hub_files("hf://datasets/org/cats/small") == [tmp_path / "small/train/0000.parquet"]


@pytest.mark.parametrize("address", ["hf://datasets/cats", "hf://datasets/org/../cats", "hf://datasets/"])
def test_what_is_no_address(address):
    with pytest.raises(DataError, match="is not a data set of the Hub"):
        hub_files(address)


def test_no_training_split(hub):
    hub("plain/test/0000.parquet")
    with pytest.raises(DataError, match="has no split 'train' in parquet files"):
        hub_files("hf://datasets/org/cats")


def test_without_the_client_and_without_a_network(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match=r"install papergan\[hub\]"):
        hub_files("hf://datasets/org/cats")

    def unreachable(*_, **__):
        raise OSError("Name or\nservice not known")

    api = SimpleNamespace(list_repo_files=unreachable)
    client = SimpleNamespace(HfApi=lambda: api, snapshot_download=None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    with pytest.raises(DataError, match=r"cannot be had from the Hub: Name or\\nservice not known"):
        hub_files("hf://datasets/org/cats")
