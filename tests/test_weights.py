"""Weights in files: the same bytes for the same content, in whatever process, and still safetensors to everybody."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from papergan.data.images import ImageSet, save_image_set
from papergan.errors import CheckpointError
from papergan.weights import Weights, decode, encode, safetensors_bytes

METADATA = {f"key{number}": f'a "word" {number}\nähm 像' for number in range(12)}
TENSORS = {
    "b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([1, 2, 3], dtype=torch.int64),
    "flags": torch.tensor([True, False, True]),
    "half": torch.ones(5, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
}

SAVES = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_weights import METADATA, TENSORS
from papergan.weights import safetensors_bytes
print(hashlib.sha256(safetensors_bytes(TENSORS, METADATA)).hexdigest())
"""


def test_fifty_saves_are_one_file():
    assert len({encode(Weights(TENSORS, METADATA)) for _ in range(50)}) == 1
    backwards = Weights(dict(reversed(TENSORS.items())), dict(reversed(METADATA.items())))
    assert encode(backwards) == encode(Weights(TENSORS, METADATA))


def test_another_process_writes_the_same_bytes():
    here = os.path.dirname(__file__)
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", SAVES, here], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(safetensors_bytes(TENSORS, METADATA)).hexdigest()


def test_sets_of_images_are_one_file_too(tmp_path):
    images = ImageSet("x", torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2), torch.tensor([0, 1]), ("a", "b"))
    found = set()
    for _ in range(20):
        save_image_set(tmp_path / "a.safetensors", images)
        found.add((tmp_path / "a.safetensors").read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("metadata", [{}, {"a": ""}, {"a": "12345678"}, METADATA])
def test_everybody_reads_it(metadata, tmp_path):
    content = safetensors_bytes(TENSORS, metadata)
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert header.pop("__metadata__", {}) == metadata
    assert list(header) == sorted(TENSORS)
    read = load(content)
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in TENSORS.items())
    (tmp_path / "a.safetensors").write_bytes(content)
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert (file.metadata() or {}) == metadata
        assert torch.equal(file.get_slice("b.weight")[1:], TENSORS["b.weight"][1:])


def test_files_in_another_order_are_still_read(tmp_path):
    """As they were written before: tensors by kind, metadata in any order."""
    content = encode(Weights(TENSORS, METADATA))
    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length])["__metadata__"]
    weights = decode(save(TENSORS, dict(reversed(about.items()))), tmp_path / "old")
    assert weights.metadata == METADATA
    assert weights.digest == Weights(TENSORS).digest


def test_a_damaged_digest_is_told_in_printable_characters():
    weights = Weights({"a": torch.zeros(2)}, {})
    content = encode(weights).replace(weights.digest.encode(), b"\x7f" * 64)
    with pytest.raises(CheckpointError, match="is damaged: expected digest") as error:
        decode(content, Path("a.safetensors"))
    assert str(error.value).isprintable()
