"""The files of compressed generators."""

from __future__ import annotations

from papergan import atomic_files
from papergan.datasets.compressed_models import CompressedFiles, CompressedModelsDataset


def test_an_onnx_file_may_be_larger_than_a_document(tmp_path, monkeypatch):
    monkeypatch.setitem(atomic_files.read_regular.__kwdefaults__, "most", 50)
    dataset = CompressedModelsDataset(filepath=str(tmp_path))
    dataset.save({"dcgan/int8": CompressedFiles(None, bytes(100))})
    assert dataset.load()["dcgan/int8"].onnx == bytes(100)
