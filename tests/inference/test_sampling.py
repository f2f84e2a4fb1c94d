"""Samples on disk, through the command `papergan`."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from papergan import file_locks
from papergan.command_line import main
from papergan.inference import Generator, load
from papergan.inference.sampling import Request, sample_to_disk


def killed_after_eight(generator: Generator, out: Path) -> int:
    """The status of a child of this process, which is killed while it writes."""
    child = os.fork()
    if child == 0:
        done: list[int] = []

        def advance(count: int) -> None:
            done.append(count)
            if sum(done) >= 8:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sample_to_disk(generator, Request(12, seed=1, format="npz"), out, batch_size=4, advance=advance)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def papergan(*arguments: object):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SystemExit | None)
    return result


def test_pngs_are_the_samples_and_say_what_they_are(folder_of, tmp_path):
    out = tmp_path / "out"
    assert papergan("sample", folder_of("dcgan"), "-n", 5, "--seed", 2, "--out", out).exit_code == 0
    wanted = load(folder_of("dcgan"), "cpu").sample(5, seed=2).images
    for index in range(5):
        with Image.open(out / f"{index:06d}.png") as picture:
            assert np.array_equal(np.asarray(picture), wanted[index])
            assert "dcgan_tiny, trained on drawn; seed 2" in picture.text["Description"]


def test_names_have_the_class(folder_of, tmp_path):
    papergan("sample", folder_of("dcgan_labels"), "-n", 3, "--class", "cat", "--class", "0", "--out", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["000000-cat.png", "000001-airplane.png", "000002-cat.png"]


def test_one_archive(folder_of, tmp_path):
    done = papergan("sample", folder_of("dcgan_labels"), "-n", 5, "--format", "npz", "--out", tmp_path / "s.npz")
    assert done.exit_code == 0
    with np.load(tmp_path / "s.npz", allow_pickle=False) as archive:
        assert archive["images"].shape == (5, 16, 16, 3)
        assert archive["images"].dtype == np.uint8
        assert archive["labels"].shape == (5,)


def test_a_grid(folder_of, tmp_path):
    papergan("sample", folder_of("dcgan"), "-n", 9, "--format", "grid", "--out", tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.width >= 3 * 2 * 16


class TestInterrupted:
    def test_it_goes_on_where_it_was(self, folder_of, tmp_path):
        generator, request, out = load(folder_of("dcgan"), "cpu"), Request(12, seed=1), tmp_path / "out"
        done: list[int] = []
        assert sample_to_disk(generator, request, out, batch_size=4, should_stop=lambda: sum(done) >= 8,
                              advance=done.append) is None  # fmt: skip
        assert len(list(out.glob("*.png"))) == 8
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
        (out / "000009.part").write_bytes(b"half")  # a kill within a file
        done.clear()
        assert sample_to_disk(generator, request, out, batch_size=4, advance=done.append) == out
        assert done == [8, 4]
        assert all((out / name).stat().st_mtime_ns == time for name, time in before.items())
        wanted = generator.sample(12, seed=1).images
        assert all(np.array_equal(np.asarray(Image.open(out / f"{i:06d}.png")), wanted[i]) for i in range(12))

    @pytest.mark.parametrize("kept", [0.0, 0.5])
    def test_a_file_that_a_loss_of_power_cut_is_made_again(self, kept, folder_of, tmp_path):
        generator, out = load(folder_of("dcgan"), "cpu"), tmp_path / "out"
        sample_to_disk(generator, Request(5), out)
        cut, whole = out / "000003.png", (out / "000003.png").read_bytes()
        cut.write_bytes(whole[: int(kept * len(whole))])
        done: list[int] = []
        assert sample_to_disk(generator, Request(5), out, advance=done.append) == out
        assert done == [3, 2]
        assert cut.read_bytes() == whole

    def test_a_larger_request_goes_on_as_well(self, folder_of, tmp_path):
        papergan("sample", folder_of("dcgan"), "-n", 3, "--out", tmp_path / "out")
        assert papergan("sample", folder_of("dcgan"), "-n", 5, "--out", tmp_path / "out").exit_code == 0
        assert len(list((tmp_path / "out").glob("*.png"))) == 5

    def test_samples_of_another_request_are_left_alone(self, folder_of, tmp_path):
        papergan("sample", folder_of("dcgan"), "-n", 3, "--out", tmp_path / "out")
        before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
        assert len(before) == 3
        done = papergan("sample", folder_of("dcgan"), "-n", 3, "--seed", 5, "--out", tmp_path / "out")
        assert done.exit_code == 1
        assert "samples of another request (other seed)" in done.output
        (tmp_path / "out/request.json").write_text("[1]")
        done = papergan("sample", folder_of("dcgan"), "-n", 3, "--out", tmp_path / "out")
        assert done.exit_code == 1
        assert "samples of another request (other format, labels, model, seed)" in done.output
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")} == before

    @pytest.mark.parametrize(("name", "batch_size"), [("dcgan", 4), ("dcgan_labels", 3)])
    def test_an_archive_whose_writer_was_killed_goes_on_where_it_was(self, name, batch_size, folder_of, tmp_path):
        out, generator = tmp_path / "s.npz", load(folder_of(name), "cpu")
        assert killed_after_eight(generator, out) == -signal.SIGKILL
        assert not out.exists()
        unfinished = tmp_path / "s.npz.unfinished"
        with (unfinished / "images.rows").open("ab") as rows:
            rows.write(b"half an image")  # of which the record knows nothing
        done: list[int] = []
        assert sample_to_disk(generator, Request(12, seed=1, format="npz"), out, batch_size=batch_size,
                              advance=done.append) == out  # fmt: skip
        assert done == [8, *[batch_size] * (4 // batch_size), *[4 % batch_size] * (4 % batch_size > 0)]
        assert [path.name for path in tmp_path.iterdir()] == ["s.npz"]
        wanted = generator.sample(12, seed=1)
        with np.load(out, allow_pickle=False) as archive:
            assert np.array_equal(archive["images"], wanted.images)
            if wanted.labels is not None:
                assert np.array_equal(archive["labels"], wanted.labels.numpy())

    def test_an_archive_is_of_one_request_and_may_grow(self, folder_of, tmp_path):
        generator, out, done = load(folder_of("dcgan"), "cpu"), tmp_path / "s.npz", []
        stop = {"batch_size": 4, "should_stop": lambda: sum(done) >= 8, "advance": done.append}
        assert sample_to_disk(generator, Request(12, format="npz"), out, **stop) is None
        other = papergan("sample", folder_of("dcgan"), "--seed", 5, "--format", "npz", "--out", out)
        assert (other.exit_code, "another request (other seed); name another file" in other.output) == (1, True)
        assert papergan("sample", folder_of("dcgan"), "-n", 20, "--format", "npz", "--out", out).exit_code == 0
        with np.load(out) as archive:
            assert np.array_equal(archive["images"], generator.sample(20).images)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [("images.rows", b"short", "holds fewer rows than were written"), ("progress.json", b"{", "is damaged")],
    )
    def test_a_damaged_unfinished_archive_is_one_line(self, name, content, message, folder_of, tmp_path):
        generator, out, done = load(folder_of("dcgan"), "cpu"), tmp_path / "s.npz", []
        stop = {"batch_size": 4, "should_stop": lambda: sum(done) >= 8, "advance": done.append}
        sample_to_disk(generator, Request(12, format="npz"), out, **stop)
        (tmp_path / "s.npz.unfinished" / name).write_bytes(content)
        refused = papergan("sample", folder_of("dcgan"), "-n", 12, "--format", "npz", "--out", out)
        assert (refused.exit_code, message in refused.output) == (1, True)
        assert len(refused.output.strip().splitlines()) == 1

    def test_a_disk_that_is_full_at_the_end_is_one_line_and_the_next_goes_on(self, folder_of, tmp_path, monkeypatch):
        def full(file, **arrays):
            file.write(b"PK")
            raise OSError(errno.ENOSPC, "No space left on device")

        order, savez = ("sample", folder_of("dcgan"), "-n", 5, "--format", "npz", "--out", tmp_path / "s.npz"), np.savez
        monkeypatch.setattr(np, "savez", full)
        refused = papergan(*order)
        assert (refused.exit_code, "s.npz: cannot be written (No space left on device" in refused.output) == (1, True)
        assert len(refused.output.strip().splitlines()) == 1
        assert not (tmp_path / "s.npz").exists()
        monkeypatch.setattr(np, "savez", savez)
        assert papergan(*order).exit_code == 0

    def test_two_processes_do_not_write_one_archive(self, folder_of, tmp_path):
        (tmp_path / "s.npz.unfinished").mkdir()
        with file_locks.take(tmp_path / "s.npz.unfinished" / "lock"):
            done = papergan("sample", folder_of("dcgan"), "--format", "npz", "--out", tmp_path / "s.npz")
        assert (done.exit_code, "another process is writing" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-n", "0"), "expected 1 to"),
        (("-n", "1000000000"), "expected 1 to"),
        (("--class", "cta"), "knows no classes"),
        (("--truncation", "0"), "threshold above 0"),
        (("-n", "999999999"), "images may take"),
        (("-n", "999999999", "--format", "npz"), "images may take"),
        (("--class", "cta", "--format", "npz"), "knows no classes"),
        (("-n", "20000", "--format", "grid"), "at most 10000"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(arguments, message, folder_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = papergan("sample", folder_of("dcgan"), *arguments)
    assert done.exit_code == 1
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_in_it_is_left_alone(folder_of, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = papergan("sample", folder_of("dcgan"), "--out", tmp_path)
    assert done.exit_code == 1
    assert "exists and is not an empty folder" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_info_and_the_list_of_commands(folder_of):
    assert "dcgan_tiny" in papergan("info", folder_of("dcgan")).output
    listed = papergan().output
    assert all(name in listed for name in ("sample", "info"))
    assert "Traceback" not in listed
