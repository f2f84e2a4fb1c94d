"""Declarations, downloads and raw files that are not what they should be: no images are left by them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from helpers.formats import declared_parquet
from helpers.hostile import WARNINGS, forged_png, refused
from helpers.parquet_files import CLASSES, pixels, png, pngs, write
from papergan.config.checked import Experiment
from papergan.config.evaluation import EvaluationSettings
from papergan.data.declarations import parse_declarations
from papergan.data.download import download
from papergan.datasets.image_library import ImageLibraryDataset
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.errors import DataError
from papergan.pipelines.experiment import create_pipeline

pytestmark = WARNINGS

RECIPE = {
    "evaluation": EvaluationSettings(),
    "classes": None,
    "input": None,
    "dataset": "toy",
    "image_size": None,
    "images": None,
    "train_limit": None,
    "subset_seed": None,
    "validation": None,
}


def declared(file: object) -> dict[str, object]:
    split = {"rows": 6, "digest": "0" * 64}
    return {
        "kind": "parquet", "image_column": "img", "mode": "RGB", "size": 8, "classes": list(CLASSES),
        "train": {"file": file, **split}, "test": {"file": "toy/test.parquet", **split},
    }  # fmt: skip


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "",
        ".",
        "C:\\x",
        "C:x",
        "\\\\host\\x",
        "a\\..\\x",
        "a\0b",
        3,
        None,
    ],
)
def test_declared_files_stay_inside_the_data_folder(file):
    with pytest.raises(DataError, match=r"data set 'toy'\.train\.file: (.*stay inside it|Input should be)"):
        parse_declarations({"toy": declared(file)})


def test_a_host_that_cannot_be_is_one_line(tmp_path):
    for url in ("https://a..b/x", f"https://{'a' * 70}.invalid/x", "https://\u2100.invalid/x", "https://a b/x"):
        with pytest.raises(DataError):
            download(url, tmp_path / "x")
    assert not list(tmp_path.iterdir())


BROKEN = {
    "garbage": lambda path: path.write_bytes(b"none" * 100),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "flipped": lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAX", 1)),
    "missing": lambda path: path.unlink(),
    "a wrong label": lambda path: write(path, pngs(), [0, 1, 2, 0, 1, 3]),
    "text as label": lambda path: write(path, pngs(), list("abcabc")),
    "a row too few": lambda path: write(path, pngs()[:5]),
    "a row too many": lambda path: write(path, pngs(7)),
    "a huge image": lambda path: write(path, [*pngs()[:5], forged_png(50_000, 50_000)]),
    "one pixel": lambda path: write(path, [*pngs()[:5], png(pixels(1, 1)[0])]),
    "other images": lambda path: write(path, [png(one ^ 1) for one in pixels()]),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_refused_ingestion_leaves_no_images(tmp_path, monkeypatch, name, split):
    monkeypatch.delenv("PAPERGAN_DATA", raising=False)
    files = {one: write(tmp_path / f"raw/toy/{one}.parquet", pngs()) for one in ("train", "test")}
    digest = declared_parquet(files["train"])
    declaration = declared("toy/train.parquet")
    for one in ("train", "test"):
        declaration[one] = {**declaration[one], "digest": digest}
    catalog = DataCatalog(
        {
            "image_library": ImageLibraryDataset(
                raw=str(tmp_path / "raw"), decoded=str(tmp_path / "decoded"), datasets={"toy": declaration}
            ),
            "params:one": MemoryDataset(
                Experiment("one", SimpleNamespace(**RECIPE)),
                copy_mode="assign",
            ),
            "one.raw_images": MemoryDataset(copy_mode="assign"),
            "one.images": ImageSplitsDataset(filepath=str(tmp_path / "images.json"), store=str(tmp_path / "store")),
        }
    )
    BROKEN[name](files[split])
    with refused(f"{split}\\.parquet"):
        SequentialRunner().run(create_pipeline("one").to_outputs("one.images"), catalog)
    assert not catalog.exists("one.images")
    assert not (tmp_path / "images.json").exists()
    assert not (tmp_path / "store").exists()
    write(files[split], pngs())
    SequentialRunner().run(create_pipeline("one").to_outputs("one.images"), catalog)
    assert catalog.exists("one.images")
