"""Images and weights in the catalog."""

from __future__ import annotations

import base64
import json

import pytest
import torch
from kedro.io import DatasetError, Version

from helpers.formats import caption
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.preparation import prepare
from papergan.datasets.image_library import ImageLibraryDataset
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.datasets.picture import PictureDataset
from papergan.datasets.weights import WeightsDataset, decode
from papergan.errors import CheckpointError, DataError
from papergan.reporting.image_grid import ImageGrid
from papergan.weights import Weights


def splits() -> ImageSplits:
    def part(name: str, count: int) -> ImageSet:
        pixels = torch.full((count, 3, 4, 4), count, dtype=torch.uint8)
        return ImageSet(f"set/{name}", pixels, torch.arange(count) % 2, ("a", "b"))

    return ImageSplits(part("train", 8), part("test", 4))


def dataset(tmp_path, experiment: str = "one") -> ImageSplitsDataset:
    return ImageSplitsDataset(filepath=str(tmp_path / experiment / "images.json"), store=str(tmp_path / "store"))


def cause(error: pytest.ExceptionInfo[BaseException]) -> BaseException:
    found = error.value
    while found.__cause__ is not None:
        found = found.__cause__
    return found


def test_images_come_back_with_their_names(tmp_path):
    assert not dataset(tmp_path).exists()
    dataset(tmp_path).save(splits())
    again = dataset(tmp_path).load()
    assert (again.train.name, again.test.name) == ("set/train", "set/test")
    assert torch.equal(again.train.images, splits().train.images)
    assert dataset(tmp_path).exists()
    assert json.loads(dataset(tmp_path).preview())["train"]["count"] == 8


def test_a_pointer_keeps_which_images_were_taken(tmp_path):
    some = splits().train.taken(torch.tensor([1, 0]), "some")
    dataset(tmp_path).save(ImageSplits(some, splits().test))
    again = dataset(tmp_path).load()
    assert again.train.origin.tolist() == [1, 0]
    assert again.test.origin is None
    assert json.loads(dataset(tmp_path).preview())["train"]["origin"] == [1, 0]  # for people as well


def test_a_validation_split_comes_back_where_there_is_one(tmp_path):
    whole = splits()
    dataset(tmp_path).save(prepare(whole, size=None, limit=None, validation=3))
    again = dataset(tmp_path).load()
    assert torch.equal(again.validation.images, whole.train.images[-3:])
    assert len(dataset(tmp_path).files()) == 3
    dataset(tmp_path).save(whole)
    assert dataset(tmp_path).load().validation is None


def test_two_experiments_share_one_copy(tmp_path):
    dataset(tmp_path, "one").save(splits())
    dataset(tmp_path, "two").save(splits())
    assert len(list((tmp_path / "store").iterdir())) == 2  # a train and a test file


def test_missing_or_damaged_images_are_noticed(tmp_path):
    dataset(tmp_path).save(splits())
    path = next((tmp_path / "store").iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError) as error:
        dataset(tmp_path).load()
    assert isinstance(cause(error), DataError)
    path.unlink()
    assert not dataset(tmp_path).exists()


@pytest.mark.parametrize("pointer", ["", "[]", '{"train": {"digest": "../../etc/passwd"}}'])
def test_a_pointer_cannot_lead_elsewhere(tmp_path, pointer):
    dataset(tmp_path).save(splits())
    dataset(tmp_path).path.write_text(pointer)
    assert not dataset(tmp_path).exists()
    with pytest.raises(DatasetError, match="ingest again"):
        dataset(tmp_path).load()


def test_a_grid_is_a_png_that_says_what_it_shows(tmp_path):
    version = Version(None, "2026-01-01T00.00.00.000Z")
    grid = PictureDataset(filepath=str(tmp_path / "grid.png"), scale=2, version=version)
    assert not grid.exists()
    grid.save(ImageGrid(splits().train.images, "eight squares"))
    assert grid.exists()
    assert caption(grid) == "eight squares"
    assert base64.b64decode(grid.preview()).startswith(b"\x89PNG")
    with pytest.raises(DatasetError, match="looked at"):
        grid.load()


def test_weights_come_back_bit_for_bit_and_damage_is_noticed(tmp_path):
    weights = Weights({"a": torch.randn(3, 4), "step": torch.tensor(7)}, {"kind": "test"})
    kept = WeightsDataset(filepath=str(tmp_path / "w.safetensors"))
    kept.save(weights)
    again = kept.load()
    assert again.digest == weights.digest
    assert again.metadata == {"kind": "test"}
    content = (tmp_path / "w.safetensors").read_bytes()
    for bad in (b"", content[:20], content[:-1] + bytes([content[-1] ^ 1]), b"\xff" * 8 + content[8:]):
        with pytest.raises(CheckpointError, match="make it again"):
            decode(bad, tmp_path / "w.safetensors")


def test_the_library_is_a_handle(tmp_path):
    declared = {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}
    handle = ImageLibraryDataset(raw=str(tmp_path / "raw"), decoded=str(tmp_path / "decoded"), datasets=declared)
    assert handle.load().names == ("synthetic_shapes",)
    assert not list(tmp_path.iterdir())  # nothing is created by asking
    with pytest.raises(DatasetError, match="declared in the catalog"):
        handle.save(object())
