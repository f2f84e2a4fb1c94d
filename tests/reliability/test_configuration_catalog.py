"""A wrong catalog, wrong published numbers or a clock that was set back: noticed before the run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.io.core import Version
from kedro.pipeline import Pipeline, node

from helpers.configurations import CONF, told, with_another
from papergan.datasets.weights import WeightsDataset
from papergan.errors import RecipeError
from papergan.hooks.experiment_checks import preflight
from papergan.reporting.published_results import published_rows
from papergan.weights import Weights


def faults(datasets: dict[str, Any], *inputs: str, output: str | None = None) -> str:
    """What the preflight says of a pipeline that reads and writes these datasets."""
    catalog = DataCatalog(datasets) if not isinstance(next(iter(datasets.values())), dict) else None
    catalog = catalog or DataCatalog.from_config(datasets)
    pipeline = Pipeline([node(lambda *given: None, list(inputs) or None, output, name="a")])
    with pytest.raises(RecipeError) as error:
        preflight(pipeline, catalog)
    return told(error)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"type": "papergan.datasets.weights.WeihgtsDataset", "filepath": "x"},
            "'WeihgtsDataset' not found in 'papergan",
        ),
        ({"type": "papergan.datasets.nowhere.Dataset", "filepath": "x"}, "No module named 'papergan.datasets.nowhere'"),
        ({"type": "papergan.datasets.weights.WeightsDataset", "filpath": "x"}, "unexpected keyword argument 'filpath'"),
        ({"type": "papergan.datasets.weights.WeightsDataset"}, "missing 1 required keyword-only argument: 'filepath'"),
        ({"type": "papergan.datasets.weights.WeightsDataset", "filepath": 3}, "not int"),
        ({"type": 3}, "must be a class"),
        ({"type": "os.system"}, "must be a class"),
        ({"type": "pickle.PickleDataset", "filepath": "x"}, "a PickleDataset might run code that is in its file"),
        ({"type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset", "dataset": "x"}, "Mlflow"),
    ],
)
def test_a_dataset_that_cannot_be_made_is_named_before_hours_are_spent(entry, message):
    line = faults({"result": entry}, output="result")
    assert message in line
    assert "catalog.yml" in line
    assert "'result'" in line or "result:" in line


PUBLISHED = yaml.safe_load((CONF / "base" / "published.yml").read_text())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "published.yml: published numbers must be papers by citation key"),
        ({"tahvili2025": 3}, "published.yml: tahvili2025 must be a mapping"),
        (with_another(PUBLISHED, ("tahvili2025", "dataset"), 3), "tahvili2025.dataset"),
        (with_another(PUBLISHED, ("tahvili2025", "table_iv", "metric"), "si"), r"table_iv\.metric"),
        (
            with_another(PUBLISHED, ("tahvili2025", "table_iv", "rows"), [{"row": "A", "value": float("nan")}]),
            r"rows\.0\.value",
        ),
        (
            with_another(
                PUBLISHED,
                ("tahvili2025", "table_iv", "rows"),
                [{"row": "A", "value": 1.0, "experiments": ["wgan_pg_cifar10"]}],
            ),
            "tahvili2025, Table IV, row 'A': unknown experiment 'wgan_pg_cifar10'; did you mean 'wgan_gp_cifar10'",
        ),
    ],
)
def test_published_numbers_are_checked_before_the_run_that_ends_with_them(content, message):
    import re

    assert published_rows(PUBLISHED)
    line = faults({"published": MemoryDataset(content)}, "published")
    assert re.search(message, line), line


def test_a_published_file_that_is_missing_or_broken_is_one_line(tmp_path):
    entry = {"type": "yaml.YAMLDataset", "filepath": str(tmp_path / "published.yml")}
    assert "No such file or directory" in faults({"published": entry}, "published")
    (tmp_path / "published.yml").write_text("a: {}\n\tb")
    assert "published.yml: line 2, column 1: found character" in faults({"published": entry}, "published")


def test_a_clock_that_was_set_back_is_noticed_before_the_run(tmp_path):
    path, now = str(tmp_path / "a.safetensors"), "2026-01-01T00.00.00.000Z"
    make = lambda version: WeightsDataset(filepath=path, version=Version(None, version))  # noqa: E731
    make("2027-01-01T00.00.00.000Z").save(Weights({"a": torch.zeros(2)}))
    line = faults({"mine.generator": make(now)}, output="mine.generator")
    assert "mine.generator: there is a version 2027-01-01T00.00.00.000Z on disk, later than this run" in line
    unharmed = Pipeline([node(lambda: None, None, "mine.generator", name="a")])
    assert preflight(unharmed, DataCatalog({"mine.generator": make("2028-01-01T00.00.00.000Z")})) == []
