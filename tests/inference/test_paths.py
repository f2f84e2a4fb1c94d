"""Paths on the command line: each that cannot be is one line, and nothing is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from papergan.command_line import _holds_images, main
from papergan.errors import CheckpointError, RecipeError
from papergan.evaluation.image_metrics import image_set
from papergan.hooks.tool_checks import _place
from papergan.inference.locate import locate
from papergan.inference.model_folder import CONFIG
from papergan.inference.model_library import ModelLibrary
from papergan.inference.sampling import Request, sample_to_disk

LONG = "x" * 300


def papergan(*arguments: object):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SystemExit | None)
    return result


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as one without permission, also for root: no look at what is in it."""

    def guarded(call: Callable[..., Any], itself: bool) -> Callable[..., Any]:
        def guard(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            place = Path(os.path.abspath(path)) if isinstance(path, str | os.PathLike) else Path("/")
            if folder in place.parents or (itself and place == folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return call(path, *arguments, **options)

        return guard

    for name in ("stat", "lstat", "open", "mkdir"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), itself=False))
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), itself=True))
    return folder


def test_out_is_in_the_home_that_a_tilde_means(folder_of, here):
    assert papergan("sample", folder_of("dcgan"), "-n", 2, "--out=~/samples").exit_code == 0
    assert papergan("sample", folder_of("dcgan"), "-n", 2, "--format=npz", "--out=~/s.npz").exit_code == 0
    assert sorted(path.name for path in (here / "home").iterdir()) == ["s.npz", "samples"]
    assert [path.name for path in here.iterdir()] == ["home"]


@pytest.mark.parametrize("path", ["~nosuchuser/x", LONG, "a\0b"])
@pytest.mark.parametrize(
    "command",
    [
        ("info", "PATH"), ("sample", "PATH"), ("sample", "MODEL", "--out", "PATH"), ("evaluate", "PATH", "--real", "."),
        ("sample", "MODEL", "--format", "npz", "--out", "PATH"), ("publish", "PATH", "--to", "hf://a/b"),
        ("export", "MODEL", "--out", "PATH"),
    ],
)  # fmt: skip
def test_what_is_no_path_is_one_line(path, command, folder_of, here):
    result = papergan(*({"PATH": path, "MODEL": folder_of("dcgan")}.get(part, part) for part in command))
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("papergan: '")
    assert "cannot be a folder or file: " in line
    assert not list(here.iterdir())


@pytest.mark.parametrize("path", ["~nosuchuser/x", LONG])
def test_real_images_that_are_at_no_path_are_one_line(path):
    with pytest.raises(RecipeError, match="cannot be a folder or file"):
        image_set(path, "real")


@pytest.mark.parametrize("path", ["~nosuchuser/x", LONG, f"{LONG}/x"])
def test_a_model_of_a_parameter_that_is_no_path_is_one_line(path, tmp_path):
    with pytest.raises(RecipeError, match="compression.model: '.*cannot be a folder or file"):
        _place("compression.model", path, ModelLibrary(tmp_path))
    with pytest.raises(CheckpointError, match="compression.model: there is no trained model 'nowhere'"):
        _place("compression.model", "nowhere", ModelLibrary(tmp_path))


@pytest.mark.parametrize(
    "command",
    [
        ("info", "CLOSED"), ("info", "CLOSED/model"), ("publish", "CLOSED", "--to", "hf://a/b"),
        ("sample", "MODEL", "--out", "CLOSED"), ("sample", "MODEL", "--out", "CLOSED/out"),
        ("sample", "MODEL", "--format", "npz", "--out", "CLOSED/out.npz"),
        ("sample", "MODEL", "--format", "grid", "--out", "CLOSED/out.png"),
        ("evaluate", "CLOSED", "--real", "."), ("evaluate", "CLOSED/model", "--real", "."),
        ("translate", "SRGAN", "CLOSED"),
    ],
)  # fmt: skip
def test_a_folder_without_permission_is_one_line(command, folder_of, here, monkeypatch):
    places = {"CLOSED": str(here / "closed"), "SRGAN": str(folder_of("srgan")), "MODEL": str(folder_of("dcgan"))}
    (here / "closed").mkdir()
    closed(here / "closed", monkeypatch)
    for name, place in places.items():
        command = [part.replace(name, place) for part in command]
    result = papergan(*command)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "Permission denied" in line


def test_what_is_evaluated_is_a_model_wherever_one_would_be_loaded(here):
    """Else the pictures of that folder are scored: those of the model's own samples, or none."""
    config = here / "experiment" / "model" / "2026-01-31T12.00.00.000Z" / "model" / CONFIG
    config.parent.mkdir(parents=True)
    config.write_text("{}")
    for folder in ("experiment", "experiment/model", config.parent):
        assert locate(folder).resolve() == config.parent.resolve()
        assert not _holds_images(str(folder))
    (here / "pictures").mkdir()
    assert _holds_images("pictures")
    assert _holds_images("fake.NPZ")
    assert not _holds_images("model.safetensors")


@pytest.mark.parametrize("kind", ["npz", "grid"])
def test_a_folder_in_place_of_a_file_is_refused_before_the_first_image(kind, folder_of, loaded, here):
    (here / "d").mkdir()
    result = papergan("sample", folder_of("dcgan"), "--format", kind, "--out", "d")
    assert (result.exit_code, "d is a folder, expected a file" in result.output) == (1, True)
    assert [path.name for path in here.iterdir()] == ["d"]
    made: list[int] = []
    with pytest.raises(OSError, match="is a folder"):
        sample_to_disk(loaded("dcgan"), Request(4, format=kind), here / "d", advance=made.append)
    assert not made
