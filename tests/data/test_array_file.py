"""Files of pixels: both layouts of NumPy's, and the project's own with its labels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.parquet_files import pixels
from papergan.data import array_file, memory
from papergan.data.folder import read_images
from papergan.data.images import ImageSet, save_image_set
from papergan.errors import DataError


def read(path: Path, **options) -> ImageSet:
    return read_images(path, name="fake", **options)


def npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


LAYOUTS = {"NHWC": pixels(), "NCHW": np.ascontiguousarray(pixels().transpose(0, 3, 1, 2))}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["npy", "arr_0", "images", "samples"])
def test_both_layouts_of_numpys_files(tmp_path, layout, kind):
    array = LAYOUTS[layout]
    path = npy(tmp_path / "a.npy", array) if kind == "npy" else npz(tmp_path / "a.npz", **{kind: array})
    images = read(path)
    assert torch.equal(images.images, torch.from_numpy(LAYOUTS["NCHW"]))
    assert (images.name, images.classes, images.labels.tolist()) == ("fake", (), [0] * 6)


@pytest.mark.parametrize("shape", [(5, 8, 8, 1), (5, 1, 8, 8)])
def test_grey_arrays_stay_grey(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images = read(npy(tmp_path / "a.npy", array)).images
    assert torch.equal(images, torch.from_numpy(array.reshape(5, 1, 8, 8)))


def test_size_limit_and_mode_are_as_for_folders(tmp_path):
    images = read(npy(tmp_path / "a.npy", pixels()), size=4, limit=2, mode="L")
    assert (images.name, tuple(images.images.shape)) == ("fake[2 of 6]@4", (2, 1, 4, 4))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (
            np.zeros((2, 3, 3, 3), np.uint8),
            r"axis 1 or axis 3 must be 1 or 3 channels, both could be in \(2, 3, 3, 3\)",
        ),
        (np.zeros((2, 8, 8, 4), np.uint8), r"neither is in \(2, 8, 8, 4\)"),
        (np.zeros((2, 8, 8), np.uint8), r"must be uint8 \[N, H, W, C\] or \[N, C, H, W\], got uint8 \(2, 8, 8\)"),
        (np.zeros((2, 8, 8, 3), np.float32), r"got float32 \(2, 8, 8, 3\)"),
        (np.array([{}], object), "is not a whole NumPy file"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, reason):
    with pytest.raises(DataError, match=rf"a\.npy.* {reason}"):
        read(npy(tmp_path / "a.npy", array))


def test_images_that_are_not_square_are_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.npy, image 0 is 9x8, expected a square image; give size="):
        read(npy(tmp_path / "a.npy", np.zeros((2, 8, 9, 3), np.uint8)))


def test_npz_needs_one_array_of_a_known_name(tmp_path):
    with pytest.raises(DataError, match=r"a\.npz must hold one array called arr_0, images or samples; it has: x"):
        read(npz(tmp_path / "a.npz", x=pixels()))
    with pytest.raises(DataError, match="it has: images, samples"):
        read(npz(tmp_path / "a.npz", images=pixels(), samples=pixels()))
    assert len(read(npz(tmp_path / "a.npz", arr_0=pixels(), arr_1=np.zeros(6)))) == 6


def test_pickles_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.npz is not a whole NumPy file \(ValueError\)"):
        read(npz(tmp_path / "a.npz", images=np.array([{}], object)))


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_cut_files_are_named(tmp_path, kind):
    path = npy(tmp_path / "a.npy", pixels()) if kind == "npy" else npz(tmp_path / "a.npz", arr_0=pixels())
    content = path.read_bytes()
    for keep in (0, 60, len(content) - 30):
        path.write_bytes(content[:keep])
        with pytest.raises(DataError, match=rf"a\.{kind} is not a whole NumPy file"):
            read(path)


def test_damage_inside_an_archive_is_named(tmp_path):
    path = npz(tmp_path / "a.npz", arr_0=pixels())
    with zipfile.ZipFile(path) as archive:
        middle = archive.infolist()[0].compress_size // 2
    content = bytearray(path.read_bytes())
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz is not a whole NumPy file"):
        read(path)


def test_an_archive_larger_than_memory_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(array_file, "_from_member", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"a\.npz needs 0\.0 GB of memory"):
        read(npz(tmp_path / "a.npz", arr_0=np.zeros((6, 8, 8, 3), np.uint8)))


def test_the_projects_own_file_keeps_labels_and_classes(tmp_path):
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    original = ImageSet("mine", torch.from_numpy(LAYOUTS["NCHW"]), labels, ("a", "b"))
    save_image_set(tmp_path / "a.safetensors", original)
    images = read(tmp_path / "a.safetensors")
    assert (images.name, images.digest) == ("fake", original.digest)
    assert read(tmp_path / "a.safetensors", limit=2).labels.tolist() == [0, 1]  # rows 0 and 4
    content = bytearray((tmp_path / "a.safetensors").read_bytes())
    content[-100] ^= 1
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.safetensors is damaged"):
        read(tmp_path / "a.safetensors")
