"""The files of compressed generators."""

from __future__ import annotations

from dataclasses import replace

from inference.conftest import model_of
from papergan import atomic_files
from papergan.datasets.compressed_models import CompressedFiles, CompressedModelsDataset


def test_an_onnx_file_may_be_larger_than_a_document(tmp_path, monkeypatch):
    monkeypatch.setitem(atomic_files.read_regular.__kwdefaults__, "most", 50)
    dataset = CompressedModelsDataset(filepath=str(tmp_path))
    dataset.save({"dcgan/int8": CompressedFiles(None, bytes(100))})
    assert dataset.load()["dcgan/int8"].onnx == bytes(100)


def test_nothing_stays_of_an_earlier_variant_of_the_same_name_in_another_form(tmp_path):
    dataset = CompressedModelsDataset(filepath=str(tmp_path))
    model = replace(model_of("dcgan"), picture=b"png")
    dataset.save({"dcgan/mine": CompressedFiles(model, b"onnx"), "dcgan/other": CompressedFiles(model, None)})
    dataset.save({"dcgan/mine": CompressedFiles(None, b"int8")})
    assert [path.name for path in (tmp_path / "dcgan/mine").iterdir()] == ["model.onnx"]
    assert (dataset.load()["dcgan/mine"].model, dataset.load()["dcgan/mine"].onnx) == (None, b"int8")
    dataset.save({"dcgan/mine": CompressedFiles(model, None)})
    assert sorted(path.name for path in (tmp_path / "dcgan/mine").iterdir()) == sorted(
        path.name for path in (tmp_path / "dcgan/other").iterdir()
    )


def test_a_damaged_model_is_missing_for_kedro(tmp_path, caplog):
    dataset = CompressedModelsDataset(filepath=str(tmp_path))
    assert not dataset.exists()
    dataset.save({"dcgan/a": CompressedFiles(model_of("dcgan"), None), "dcgan/int8": CompressedFiles(None, b"onnx")})
    assert dataset.exists()
    weights = tmp_path / "dcgan/a/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert not dataset.exists()
    assert "dcgan/a is damaged and will be made again" in caplog.text
