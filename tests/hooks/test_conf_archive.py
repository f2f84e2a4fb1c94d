"""`--conf-source` may be the archive that `kedro package` writes."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import pytest

from helpers.project_run import EXPERIMENT, PROJECT, command_here
from papergan import settings
from papergan.errors import RecipeError
from papergan.hooks import ReadableConfigLoader
from papergan.hooks.config_loader import LARGEST, folder_of, typed_conf_source


def archive(path: Path, name: str = "conf") -> Path:
    """As `kedro package` writes it; with "." the folders are at the top."""
    with tarfile.open(path, "w:gz") as tar:
        tar.add(PROJECT / "conf", name, filter=lambda one: None if "/local/" in one.name else one)
    return path


def test_a_folder_and_an_address_are_left_as_they_are(tmp_path):
    assert folder_of(str(tmp_path), "base") == str(tmp_path)
    assert folder_of("s3://bucket/conf", "base") == "s3://bucket/conf"


@pytest.mark.parametrize("name", ["conf", "."])
def test_the_configuration_of_an_archive_is_that_of_its_folder(tmp_path, name):
    path = archive(tmp_path / "conf-papergan.tar.gz", name)
    packed, plain = (
        ReadableConfigLoader(source, env="demo", **settings.CONFIG_LOADER_ARGS) for source in (path, PROJECT / "conf")
    )
    for kind in ("parameters", "mlflow"):
        assert packed[kind] == plain[kind]
    published = Path(packed["catalog"]["published"]["filepath"])
    assert published == Path(packed.conf_source) / "base" / "published.yml"
    assert published.read_bytes() == (PROJECT / "conf/base/published.yml").read_bytes()
    assert plain["catalog"]["published"]["filepath"] == str(PROJECT / "conf/base/published.yml")


def test_the_command_takes_one(tmp_path):
    done = command_here("run", "--conf-source", str(archive(tmp_path / "c.tar.gz")), "--env", "nowhere")
    assert (done.exit_code, done.stderr) == (
        1,
        "papergan: unknown environment 'nowhere'; known: base, demo, local, test\n",
    )


def test_the_command_says_in_one_line_what_is_wrong_with_one(tmp_path):
    path = tmp_path / "conf.tar.gz"
    path.write_text("no archive")
    done = command_here("run", "--conf-source", str(path))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"papergan: {path}: expected a folder of configuration or a .tar.gz of one")


def test_experiments_of_an_archive_are_found(tmp_path):
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / "local").mkdir()
    text = "of_the_archive: {paper: tahvili2025, system: nothing, dataset: cifar10, training: {epochs: 1.0}}\n"
    (conf / "base/parameters_own.yml").write_text(text)
    with tarfile.open(tmp_path / "own.tar.gz", "w:gz") as tar:
        tar.add(conf, "conf")
    done = command_here("run", "--pipelines", "of_the_archive", "--conf-source", str(tmp_path / "own.tar.gz"))
    assert done.exit_code == 1
    assert done.stderr.startswith("papergan: of_the_archive: unknown system 'nothing'"), done.output
    done = command_here("run", "--pipelines", "of_the_archive")
    assert done.stderr.startswith("papergan: unknown pipeline 'of_the_archive'")


def test_commands_that_are_shown_name_the_archive_as_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    path = archive(tmp_path / "c.tar.gz")
    done = command_here("run", "--pipelines", EXPERIMENT, "--env", "test", "--conf-source", str(path), "--dry-run")
    assert done.exit_code == 0, done.output
    assert f"--conf-source {path}" in next(line for line in done.output.splitlines() if "a look" in line)
    assert typed_conf_source() is None


def members(*files: tuple[str, int]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, size in files:
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    return content.getvalue()


def changed(content: bytes, place: int) -> bytes:
    """The bytes with one bit flipped."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def cut_into(content: bytes, place: int) -> bytes:
    """A gzip stream with what is no block of one after the first bytes."""
    stream = zlib.compressobj(0, wbits=31)
    return stream.compress(content[:place]) + stream.flush(zlib.Z_SYNC_FLUSH) + b"\x06" * 100


FILES = ("conf/base/catalog.yml", 3), ("conf/base/parameters.yml", 3)
TAR = gzip.decompress(members(*FILES))
STORED = gzip.compress(TAR, 0)  # no byte is compressed: a bit of it is one of the content
HUGE = tarfile.TarInfo("x")
HUGE.type, HUGE.size = tarfile.XHDTYPE, 1 << 70
DAMAGED = {
    "a bit of a setting": changed(STORED, STORED.index(TAR) + 512),
    "a bit of the second header": changed(STORED, STORED.index(TAR) + 1024),
    "a part of the compressed stream": cut_into(gzip.decompress(members(("conf/base/catalog.yml", 90_000))), 60_000),
    "a bit of the checksum": changed(STORED, len(STORED) - 8),
    "a bit of the length": changed(STORED, len(STORED) - 1),
    "bytes after its end": STORED + b"more",
    "a second header that is none": gzip.compress(changed(TAR, 1024)),
    "no end": gzip.compress(TAR[:2048]),
    "half an end": gzip.compress(TAR[:2560]),
    "files after its end": gzip.compress(TAR + TAR),
    "a header of a size beyond all": gzip.compress(HUGE.tobuf(tarfile.GNU_FORMAT) + TAR),
    "a name that is none": members(("conf/base/\xe9\0.yml", 3)),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_is_refused(tmp_path, kind):
    path = tmp_path / "conf.tar.gz"
    path.write_bytes(STORED)
    assert Path(folder_of(str(path), "base"), "base", "catalog.yml").read_bytes() == bytes(3)
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(RecipeError, match="expected a folder of configuration or a .tar.gz of one"):
        folder_of(str(path), "base")


def test_a_long_name_takes_no_memory(tmp_path):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 10 * LARGEST
    path = tmp_path / "conf.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        for _ in range(10):
            file.write(b"a" * LARGEST)
        file.write(TAR)
    tracemalloc.start()
    try:
        with pytest.raises(RecipeError, match="more than 16 MB"):
            folder_of(str(path), "base")
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST
    finally:
        tracemalloc.stop()


WRONG = {
    "cut off": (archive, "expected a folder of configuration or a .tar.gz"),
    "no tar": (gzip.compress(b"x" * 2000), "expected a folder of configuration or a .tar.gz"),
    "empty": (members(), "there is no folder 'base'"),
    "without base": (members(("conf/demo/catalog.yml", 3)), "there is no folder 'base'"),
    "too large": (members(("conf/base/catalog.yml", LARGEST + 1)), "more than 16 MB"),
    "out of its folder": (members(("../../outside.yml", 3)), "outside"),
    "at the root": (members(("/outside.yml", 3)), "outside"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_archive_is_refused(tmp_path, kind):
    content, message = WRONG[kind]
    path = tmp_path / "conf.tar.gz"
    path.write_bytes(content if isinstance(content, bytes) else content(path).read_bytes()[:-2000])
    with pytest.raises(RecipeError, match=message) as raised:
        folder_of(str(path), "base")
    assert str(raised.value).startswith(f"{path}: ")
