"""Where images come from: the order of places, the one clear error, downloads, decoded copies."""

from __future__ import annotations

import hashlib
import http.server
import threading
from pathlib import Path

import pytest
import torch
import yaml

from helpers.parquet_files import CLASSES, pngs, write
from papergan.data.declarations import parse_declarations
from papergan.data.download import download
from papergan.data.library import ImageLibrary
from papergan.data.parquet import read_parquet
from papergan.data.sources import Sources
from papergan.errors import DataError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("PAPERGAN_DATA", raising=False)


def declaration(digest: str, url: str | None = "https://example.invalid/x.parquet") -> dict:
    split = {"rows": 6, "digest": digest, "url": url}
    return {
        "kind": "parquet", "image_column": "img", "mode": "RGB", "size": 8, "classes": list(CLASSES),
        "train": {"file": "tiny/train.parquet", **split}, "test": {"file": "tiny/test.parquet", **split},
    }  # fmt: skip


@pytest.fixture
def digest(tmp_path) -> str:
    try:
        read_parquet(
            write(tmp_path / "pin.parquet", pngs()), name="x", image_column="img", mode="RGB", size=8,
            classes=CLASSES, rows=6, digest="0" * 64,
        )  # fmt: skip
    except DataError as error:
        return str(error).split("got ")[1].split(";")[0]
    raise AssertionError


def fill(folder: Path) -> Path:
    for split in ("train", "test"):
        write(folder / "tiny" / f"{split}.parquet", pngs())
    return folder


def library(tmp_path: Path, digest: str, **places) -> ImageLibrary:
    sources = Sources(**({"raw": tmp_path / "raw"} | places))
    entries = {"tiny": declaration(digest), "synthetic_shapes": {"kind": "synthetic_shapes", "train": 20, "test": 10}}
    return ImageLibrary.declared(entries, sources, tmp_path / "decoded")


def test_raw_then_directory_then_environment(tmp_path, digest, monkeypatch):
    monkeypatch.setenv("PAPERGAN_DATA", str(fill(tmp_path / "environment")))
    found = library(tmp_path, digest, directory=tmp_path / "configured")
    split = found.declarations["tiny"].train
    assert found.sources.find(split, "x") == tmp_path / "environment/tiny/train.parquet"
    fill(tmp_path / "configured")
    assert found.sources.find(split, "x") == tmp_path / "configured/tiny/train.parquet"
    fill(tmp_path / "raw")
    assert found.sources.find(split, "x") == tmp_path / "raw/tiny/train.parquet"


def test_missing_everywhere_is_one_line_that_names_every_way(tmp_path, digest):
    with pytest.raises(DataError) as error:
        library(tmp_path, digest).load("tiny")
    message = str(error.value)
    for way in ("tiny/train.parquet", str(tmp_path / "raw"), "PAPERGAN_DATA", "directory", "https://example.invalid"):
        assert way in message
    assert "\n" not in message


def test_a_wrong_file_is_not_passed_over(tmp_path, digest):
    """The first place that has the file decides; a good copy elsewhere is no excuse."""
    fill(tmp_path / "configured")
    write(tmp_path / "raw/tiny/train.parquet", pngs(), [0] * 6)
    with pytest.raises(DataError, match="raw/tiny/train.parquet is not the published tiny/train"):
        library(tmp_path, digest, directory=tmp_path / "configured").load("tiny")


def test_a_decoded_copy_serves_the_second_time(tmp_path, digest):
    first = library(tmp_path, digest, raw=fill(tmp_path / "raw")).load("tiny")
    for path in (tmp_path / "raw/tiny").iterdir():
        path.unlink()
    second = library(tmp_path, digest).load("tiny")
    assert torch.equal(first.train.images, second.train.images)
    assert second.train.name == "tiny/train"


def test_a_damaged_copy_is_decoded_again_and_said_so(tmp_path, digest, caplog):
    places = {"raw": fill(tmp_path / "raw")}
    expected = library(tmp_path, digest, **places).load("tiny")
    copy = tmp_path / "decoded/tiny-train.safetensors"
    content = bytearray(copy.read_bytes())
    content[-100] ^= 1
    copy.write_bytes(content)
    again = library(tmp_path, digest, **places).load("tiny")
    assert torch.equal(again.train.images, expected.train.images)
    assert "tiny-train.safetensors" in caplog.text
    assert "decoded again" in caplog.text


def test_names(tmp_path, digest, caplog):
    caplog.set_level("INFO")
    shapes = library(tmp_path, digest).load("synthetic_shapes")
    assert (shapes.train.name, shapes.test.name) == ("synthetic_shapes/train", "synthetic_shapes/test")
    assert "synthetic_shapes/train: 20 images" in caplog.text
    with pytest.raises(DataError, match="unknown data set 'tinny'; did you mean 'tiny'"):
        library(tmp_path, digest).load("tinny")


def test_the_catalog_states_a_licence_for_every_data_set():
    text = (Path(__file__).parents[2] / "conf/base/catalog.yml").read_text().replace("${workspace:}", ".")
    declared = parse_declarations(yaml.safe_load(text)["image_library"]["datasets"])
    begin = {
        "synthetic_shapes": "Apache-2.0, drawn", "fingerprints_synthetic": "Apache-2.0, drawn", "mnist": "CC BY-SA 3.0",
        "cifar10": "none stated by its authors", "fashion_mnist": "MIT", "emoji": "stated by nobody: yours to say",
        "emoji_noto": "SIL Open Font License 1.1", "socofing": "provided as is for non-commercial",
        "synthetic_digits": "Apache-2.0, drawn", "your_images": "stated by nobody: yours to say",
        "stacked_mnist": "CC BY-SA 3.0", "stacked_synthetic_digits": "Apache-2.0, drawn",
        "moving_mnist": "CC BY-SA 3.0", "moving_synthetic_digits": "Apache-2.0, drawn",
        "moving_synthetic_shapes": "Apache-2.0, drawn",
    }  # fmt: skip
    assert declared.keys() == begin.keys()
    assert not [name for name, words in begin.items() if not str(declared[name].licence).startswith(words)]


def test_a_user_states_the_licence_of_their_own_images(tmp_path, digest):
    mine = {"kind": "folder", "folder": "x", "size": 8, "mode": "L", "classes": ["a"], "held_out": 1}
    entries = {"mine": mine, "said": {**mine, "licence": "CC0, taken by us"}, "tiny": declaration(digest)}
    library = ImageLibrary.declared(entries, Sources(raw=tmp_path), tmp_path)
    stated = [library.licence(name) for name in ("mine", "said", "tiny", "nobody")]
    assert stated == ["stated by nobody: yours to say", "CC0, taken by us", None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "parquett"}, "did you mean 'parquet'"),
        ({"sise": 8}, "unknown key 'sise'; did you mean 'size'"),
        ({"size": "8"}, "size"),
        ({"classes": []}, "classes"),
        ({"classes": ["a", "a"]}, "name of its own"),
        ({"train": {"file": "../secret", "rows": 1, "digest": "0" * 64}}, "stay inside"),
        ({"train": {"file": "/etc/passwd", "rows": 1, "digest": "0" * 64}}, "stay inside"),
        ({"train": {"file": "a", "rows": 0, "digest": "0" * 64}}, "rows"),
        ({"train": {"file": "a", "rows": 1, "digest": "short"}}, "digest"),
        ({"train": {"file": "a", "rows": 1, "digest": "0" * 64, "url": "ftp://x/y"}}, "only https"),
    ],
)
def test_wrong_declarations_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        parse_declarations({"tiny": declaration("0" * 64) | change})


class Server(http.server.BaseHTTPRequestHandler):
    body = b"content" * 1000

    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://example.invalid/file")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(self.body) + (5 if self.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_download_is_whole(tmp_path, address):
    download(f"{address}/file", tmp_path / "a/file", sha256=hashlib.sha256(Server.body).hexdigest())
    assert (tmp_path / "a/file").read_bytes() == Server.body


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("/missing", {}, "404"),
        ("/cut", {}, "broke off|incomplete|IncompleteRead"),
        ("/file", {"sha256": "0" * 64}, "is not the declared file: expected SHA-256"),
        ("/file", {"max_bytes": 10}, "10"),
        ("/away", {}, "only https"),
    ],
)
def test_a_download_that_goes_wrong_leaves_nothing(tmp_path, address, path, options, message):
    with pytest.raises(DataError, match=message):
        download(address + path, tmp_path / "file", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["http://example.invalid/x", "file:///etc/passwd", "ftp://x/y", "nothing", "https://"])
def test_untrusted_addresses_are_refused(tmp_path, url):
    with pytest.raises(DataError, match="only https|not an address"):
        download(url, tmp_path / "file")
