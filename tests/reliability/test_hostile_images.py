"""Images and weights from somebody who means harm, or from a disk that failed: refused in one line, at no great cost.

What a reader says to a single bad image is tested beside it in tests/data; here is what costs memory, blocks, leads out
of a folder, or would run somebody's code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from PIL import Image

from papergan.data.declarations import parse_declarations
from papergan.data.download import download
from papergan.data.folder import read_images
from papergan.errors import DataError, EvaluationError
from papergan.io.image_library import ImageLibraryDataset
from papergan.io.image_splits import ImageSplitsDataset
from papergan.pipelines.checked import Experiment
from papergan.pipelines.ingestion import create_pipeline
from parquet_files import CLASSES, pixels, png, pngs, write
from reliability.formats import FORMATS, PRETRAINED, declared_parquet

resource = pytest.importorskip("resource", reason="nobody tells how much memory was used")
MEBIBYTE = 2**20
pytestmark = pytest.mark.filterwarnings(  # what libraries say on their way to an error
    "ignore:overflow encountered:RuntimeWarning", "ignore::UserWarning:torch"
)


def peak() -> int:
    """Bytes of memory that this process has had at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def read(path: Path, **options: object):
    return read_images(path, name="fake", **options)


@contextmanager
def refused(reason: str, *, most: int = 64 * MEBIBYTE) -> Iterator[None]:
    """The block ends in one of our errors, on one line; the process grows by no more than `most` bytes."""
    before = peak()
    with pytest.raises((DataError, EvaluationError), match=reason) as caught:
        yield
    assert str(caught.value).isprintable()
    assert peak() - before < most


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encoded(kind: str, size: int = 8, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(1, size)[0]).save(buffer, kind, **options)
    return buffer.getvalue()


# Claims that cost nothing to write


def forged_png(width: int, height: int) -> bytes:
    content = encoded("PNG")
    return content[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + content[24:29]) + content[33:]


def forged_jpeg(width: int, height: int) -> bytes:
    content = encoded("JPEG")
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", height, width) + content[frame + 4 :]


def forged_bmp(width: int, height: int) -> bytes:
    content = encoded("BMP")
    return content[:18] + struct.pack("<ii", width, height) + content[26:]


def forged_webp(width: int, height: int) -> bytes:
    """An extended header: a canvas of any size around a picture of 8 x 8."""
    picture = encoded("WEBP", lossless=True)[12:]
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", len(canvas)) + canvas + picture
    return b"RIFF" + struct.pack("<I", len(body)) + body


CLAIMS = {
    "png": forged_png(50_000, 50_000),
    "png of one row": forged_png(2**31 - 1, 1),
    "png of a row that is short enough": forged_png(2**25, 1),
    "jpeg": forged_jpeg(65_500, 65_500),
    "bmp": forged_bmp(50_000, 50_000),
    "bmp upside down": forged_bmp(50_000, -50_000),
    "webp": forged_webp(16_383, 16_383),
    "webp beyond all bounds": forged_webp(2**24, 255),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_header_that_claims_a_huge_image_costs_no_memory(tmp_path, name):
    (tmp_path / "a.png").write_bytes(CLAIMS[name])
    with refused(r"a\.png (is \d+x\d+, (more than|expected a square)|has more than|is not a whole)"):
        read(tmp_path)


def test_text_that_grows_a_thousandfold_in_a_png_costs_no_memory(tmp_path):
    content = encoded("PNG")
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(128 * MEBIBYTE), 9))
    (tmp_path / "a.png").write_bytes(content[:33] + bomb + content[33:])
    with refused("a.png is not a whole PNG", most=200 * MEBIBYTE):
        read(tmp_path)


# Cuts


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_wherever_an_image_is_cut_it_is_refused_or_every_pixel_is_there(tmp_path, kind):
    path, content = tmp_path / "a.png", encoded(kind, 12)
    path.write_bytes(content)
    whole = read(tmp_path).digest
    passed = 0
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with contextlib.suppress(DataError):
            assert read(tmp_path).digest == whole, length
            passed += 1
    assert passed <= 20  # what follows the pixels: the end of the file, checksums


def test_one_pixel_is_an_image_but_not_beside_larger_ones(tmp_path):
    (tmp_path / "b.png").write_bytes(png(pixels(1, 1)[0]))
    assert tuple(read(tmp_path).images.shape) == (1, 3, 1, 1)
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with refused(r"b\.png is 1x1, expected 8x8"):
        read(tmp_path)
    assert tuple(read(tmp_path, size=8).images.shape) == (2, 3, 8, 8)


def test_more_images_than_memory_holds_are_refused_after_the_first_header(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    (tmp_path / "b.png").write_bytes(b"never looked at")
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 2 * 3 * 8 * 8 - 1)
    with refused(r"fake, 2 images of 8x8, needs"):
        read(tmp_path)


# Folders


def test_names_with_line_breaks_and_escapes_stay_on_one_line(tmp_path):
    for name in ("a\n\x1b[2Jpapergan: done.png", "b\udcff.png"):
        try:
            (tmp_path / name).write_bytes(b"none")
        except (OSError, UnicodeError):
            pytest.skip("this file system has no such names")
        with refused(r"(a\\n\\x1b\[2Jpapergan: done|b\\udcff)\.png is not a whole PNG"):
            read(tmp_path)
        os.unlink(tmp_path / name)


def test_a_pipe_or_a_link_to_nothing_does_not_block(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    for make, name in ((os.mkfifo, "pipe.png"), (lambda path: os.symlink("nothing.png", path), "dangling.png")):
        make(tmp_path / name)
        with refused(rf"{name} is no file, or a link to none; remove it"):
            read(tmp_path)
        os.unlink(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.npy")
    with refused("pipe.npy must be a folder of images or a file"):
        read(tmp_path / "pipe.npy")


def test_a_link_to_itself_leads_nowhere(tmp_path):
    os.symlink("loop.png", tmp_path / "loop.png")
    with refused(r"loop\.png is no file"):
        read(tmp_path)
    os.unlink(tmp_path / "loop.png")
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    os.symlink(".", tmp_path / "here")
    assert len(read(tmp_path)) == 1


@pytest.fixture
def deep_folder(tmp_path) -> Iterator[Path]:
    """1200 folders within each other; made and removed step by step, since a path that long is too long."""
    before = Path.cwd()
    os.chdir(tmp_path)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").write_bytes(encoded("PNG"))
    yield tmp_path
    os.unlink("a.png")
    for _ in range(1200):
        os.chdir("..")
        os.rmdir("d")
    os.chdir(before)


def test_folders_within_folders_without_end_are_read(deep_folder):
    assert len(read(deep_folder)) == 1


@pytest.mark.parametrize("linked", ["a.parquet", "a.png"])
def test_a_file_elsewhere_is_never_read_through_a_link(tmp_path, linked):
    outside = tmp_path / "secret"
    outside.write_bytes(pngs()[0])
    (tmp_path / "folder").mkdir()
    os.symlink(outside, tmp_path / "folder" / linked)
    with refused("1 symbolic links lead out of it"):
        read(tmp_path / "folder")


# Parquet


def test_paths_in_a_parquet_file_are_never_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(pngs()[0])
    folder = tmp_path / "folder"
    folder.mkdir()
    rows = [{"bytes": None, "path": path} for path in ("../secret.png", str(tmp_path / "secret.png"))]
    column = pyarrow.array(rows, STRUCT)
    pyarrow.parquet.write_table(pyarrow.table({"img": column, "label": [0, 1]}), folder / "a.parquet")
    for read_it in (lambda: read(folder), lambda: declared_parquet(folder / "a.parquet", rows=2)):
        with refused("row 0.* no image bytes"):
            read_it()
    rows = [{"bytes": content, "path": "../../overwritten.png"} for content in pngs()]
    pyarrow.parquet.write_table(pyarrow.table({"img": rows, "label": [0, 1, 2] * 2}), folder / "a.parquet")
    assert declared_parquet(folder / "a.parquet")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.parquet", "folder", "secret.png"]


STRUCT = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
NESTED = {
    "struct of structs": pyarrow.array([{"bytes": {"bytes": b"x"}}] * 6),
    "list of bytes": pyarrow.array([[b"x"]] * 6),
    "text": pyarrow.array(["x"] * 6),
    "struct without bytes": pyarrow.array([{"path": "x"}] * 6),
    "struct of nothing": pyarrow.array([{"bytes": None}] * 6),
    "nothing at all": pyarrow.nulls(6),
    "numbers": pyarrow.array([2**63 - 1] * 6),
    "dictionary": pyarrow.array(pngs()).dictionary_encode(),
    "null rows": pyarrow.array([None] * 6, STRUCT),
    "map": pyarrow.array([[("bytes", b"x")]] * 6, pyarrow.map_(pyarrow.string(), pyarrow.binary())),
}


@pytest.mark.parametrize("name", NESTED)
def test_other_columns_than_images_are_refused(tmp_path, name):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"img": NESTED[name], "label": [0, 1, 2] * 2}), path)
    with refused(rf"{path}"):
        declared_parquet(path)
    if name != "dictionary":  # of whole images: they are read like any others
        with refused(rf"{path}"):
            read(path)


def test_column_names_cannot_write_lines_of_their_own(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x\npapergan: all is well": [1]}), path)
    for read_it in (lambda: read(path), lambda: declared_parquet(path)):
        with refused(r"it has: x\\npapergan: all is well"):
            read_it()


def varint(number: int) -> bytes:
    """As Thrift's compact protocol writes a positive i64: doubled, seven bits at a time."""
    number, parts = 2 * number, []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def with_forged_rows(content: bytes, rows: int) -> bytes:
    """The footer claims so many rows, for the file, its row group and its columns, where there were 6."""
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8].replace(b"\x16" + varint(6), b"\x16" + varint(rows))
    assert len(footer) > length or rows < 64
    return content[: -8 - length] + footer + struct.pack("<I", len(footer)) + content[-4:]


@pytest.mark.parametrize("rows", [7, 10**9, 10**15, 2**62])
@pytest.mark.parametrize("labelled", [True, False])
def test_forged_row_counts_cost_no_memory(tmp_path, rows, labelled):
    columns = {"img": [{"bytes": one} for one in pngs()]} | ({"label": [0, 1, 2] * 2} if labelled else {})
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path, write_statistics=False)
    path.write_bytes(with_forged_rows(path.read_bytes(), rows))
    with refused(rf"{path}|needs [\d.]+ GB of memory"):
        read(path)
    if labelled:
        for declared in (6, rows):
            with refused(rf"{path}|needs [\d.]+ GB of memory"):
                declared_parquet(path, rows=declared)
    if labelled and rows == 7:  # Arrow says nothing: the last image would be whatever was in memory
        with refused("does not hold the 7 rows it claims"):
            declared_parquet(path, rows=7)


def test_a_declared_size_beyond_all_memory_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", pngs())
    with refused(r"needs \d+\.\d GB of memory, .*; declare what the file holds"):
        declared_parquet(path, size=10**6)


# NumPy's files


def npy_bytes(shape: tuple[int, ...], kind: str = "|u1", body: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": kind})
    return buffer.getvalue() + body


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


SHAPES = [(10**6, 1000, 1000, 3), (10**15, 0, 8, 3), (2**62, 1, 1, 3), (10**9, 3, 0, 0), (-1, 8, 8, 3), (2, 8, 8, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_forged_shapes_cost_no_memory(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy_bytes(shape))
    zipped(tmp_path / "a.npz", **{"arr_0.npy": npy_bytes(shape, body=bytes(100))})
    for name in ("a.npy", "a.npz"):
        with refused(rf"{name} (is not a whole NumPy file|must be uint8|needs)"):
            read(tmp_path / name)


def test_a_header_that_claims_less_than_there_is_would_drop_images(tmp_path):
    array = np.ascontiguousarray(pixels(4))
    content = npy_bytes((3, 8, 8, 3), body=array.tobytes())
    (tmp_path / "a.npy").write_bytes(content)
    zipped(tmp_path / "a.npz", **{"arr_0.npy": content})
    for name in ("a.npy", "a.npz"):
        with refused(f"{name} is not a whole NumPy file"):
            read(tmp_path / name)


@pytest.mark.parametrize("size", [0, 100, 2**31, 2**32 - 2])
def test_forged_sizes_in_an_archive_are_refused(tmp_path, size):
    path = zipped(tmp_path / "a.npz", **{"arr_0.npy": npy_bytes((4, 8, 8, 3), body=bytes(768))})
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", size)  # uncompressed
    path.write_bytes(content)
    with refused(r"a\.npz (is not a whole NumPy file|needs)"):
        read(path)


def test_an_archive_that_grows_beyond_memory_is_refused_unread(tmp_path, monkeypatch):
    bomb = npy_bytes((2**13, 64, 64, 3), body=bytes(96 * MEBIBYTE))
    path = zipped(tmp_path / "a.npz", **{"arr_0.npy": bomb})
    assert path.stat().st_size < MEBIBYTE
    del bomb
    monkeypatch.setattr("papergan.data.memory.available_bytes", lambda: 50 * MEBIBYTE)
    with refused(r"a\.npz needs 0\.1 GB of memory, 0\.1 GB are available"):
        read(path)


def test_members_are_never_extracted(tmp_path):
    array = npy_bytes((2, 8, 8, 3), body=bytes(384))
    folder = tmp_path / "in"
    folder.mkdir()
    path = zipped(folder / "a.npz", **{"../../evil.npy": array, "/tmp/evil.npy": array, "../arr_0.npy": array})
    with refused(r"must hold one array called arr_0, images or samples; it has: \.\./\.\./evil, /tmp/evil"):
        read(path)
    zipped(path, **{"arr_0.npy": array, "../evil.npy": array, "a\nb": b""})
    assert len(read(path)) == 2
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a.npz", "in"]


def test_a_member_that_is_no_array_is_refused(tmp_path):
    for members in ({"arr_0": b"raw bytes"}, {"arr_0.npy": b"raw bytes"}, {"arr_0": npy_bytes((1, 8, 8, 3))}):
        path = zipped(tmp_path / "a.npz", **members)
        with refused(r"a\.npz is not a whole NumPy file"):
            read(path)


# Code


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if name != "page"])
def test_a_pickle_in_place_of_any_file_runs_nothing(tmp_path, name):
    form, marker = FORMATS[name], tmp_path / "marker"
    folder = tmp_path / "folder"
    folder.mkdir()
    form.write(folder)
    for content in (
        pickle.dumps(Payload(marker)),
        json.dumps({"py/reduce": ["os.system", f"touch {marker}"]}).encode(),
    ):
        (folder / form.file).write_bytes(content)
        with pytest.raises(Exception, match=str(folder)):
            form.read(folder)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # it would have worked


def test_pickled_objects_in_numpys_files_run_nothing(tmp_path):
    marker = tmp_path / "marker"
    array = np.empty((1, 8, 8, 3), object)
    array[:] = Payload(marker)
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", images=array)
    for name in ("a.npy", "a.npz"):
        with refused(f"{name} is not a whole NumPy file"):
            read(tmp_path / name)
    assert not marker.exists()


def pretrained(tmp_path: Path, state: object) -> Path:
    torch.save(state, tmp_path / "a.pth")
    return tmp_path / "a.pth"


PLAIN = {"fc.weight": torch.zeros(2, 3), "x": torch.ones(2)}
STRANGE = {
    "payload": lambda path: {**PLAIN, "y": Payload(path)},
    "names that are none": lambda _: {1: torch.ones(2), "fc.weight": torch.zeros(2, 3)},
    "tensors without numbers": lambda _: {"fc.weight": torch.zeros(2, 3, device="meta"), "x": torch.ones(2)},
    "sparse tensors": lambda _: {**PLAIN, "x": torch.ones(2).to_sparse()},
    "a shape beyond its numbers": lambda _: {**PLAIN, "x": torch.ones(1).expand(10**12)},
}


@pytest.mark.parametrize("name", STRANGE)
def test_only_plain_tensors_are_taken_from_others(tmp_path, name):
    assert PRETRAINED.read(pretrained(tmp_path, PLAIN))
    path = pretrained(tmp_path, STRANGE[name](tmp_path / "marker"))
    with refused(r"a\.pth is (damaged or no file of plain tensors|not toy weights)"):
        PRETRAINED.read(path)
    assert not (tmp_path / "marker").exists()


def test_packed_weights_are_refused_unread(tmp_path):
    path = pretrained(tmp_path, {**PLAIN, "x": torch.zeros(2**16)})
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with refused("a.pth is damaged or no file of plain tensors"):
        PRETRAINED.read(zipped(path, **members))


@pytest.mark.parametrize("name", ["weights", "image set"])
@pytest.mark.parametrize("length", [10 * 2**30, 2**63, 2**64 - 1])
def test_a_header_of_ten_gigabytes_is_refused_at_once(tmp_path, name, length):
    form = FORMATS[name]
    form.write(tmp_path)
    path = tmp_path / form.file
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    before = peak()
    with pytest.raises(Exception, match=r"not a whole (safetensors )?file"):
        form.read(tmp_path)
    assert peak() - before < 64 * MEBIBYTE


# Declarations, downloads, ingestion


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
                Experiment("one", SimpleNamespace(dataset="toy", image_size=None, train_limit=None)), copy_mode="assign"
            ),
            "one.raw_images": MemoryDataset(copy_mode="assign"),
            "one.images": ImageSplitsDataset(filepath=str(tmp_path / "images.json"), store=str(tmp_path / "store")),
        }
    )
    BROKEN[name](files[split])
    with refused(f"{split}\\.parquet"):
        SequentialRunner().run(create_pipeline("one"), catalog)
    assert not catalog.exists("one.images")
    assert not (tmp_path / "images.json").exists()
    assert not (tmp_path / "store").exists()
    write(files[split], pngs())
    SequentialRunner().run(create_pipeline("one"), catalog)
    assert catalog.exists("one.images")
