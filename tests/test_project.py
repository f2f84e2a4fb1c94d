"""Where the project's folders are: in a checkout, and where only the package is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.project_run import PROJECT
from papergan import project

SHOW = "from papergan import project as p; print(p.IN_CHECKOUT, p.PROJECT, p.CONFIGURATION, p.COMMAND, sep='|')"
MODULES = ("__init__", "__main__", "atomic_files", "errors", "messages", "project", "distributed/__init__")


def installed(folder: Path, *, configuration: bool) -> Path:
    """A site-packages with what finds the folders, as a wheel would install it."""
    package = folder / "lib" / "site-packages" / "papergan"
    for name in MODULES:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "src" / "papergan" / f"{name}.py", package / f"{name}.py")
    if configuration:
        shutil.copytree(PROJECT / "conf", package / "conf")
    return package.parent


def python(path: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**os.environ, "PYTHONPATH": str(path)}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip


def test_in_a_checkout_the_folders_are_the_projects():
    assert (project.IN_CHECKOUT, project.PROJECT, project.COMMAND) == (True, PROJECT, "kedro")
    assert project.CONFIGURATION == PROJECT / "conf"


def test_installed_the_results_are_where_it_is_run_and_the_configuration_is_the_packages(tmp_path):
    path, here = installed(tmp_path, configuration=True), tmp_path / "here"
    here.mkdir()
    done = python(path, here, "-c", SHOW)
    assert done.stdout.strip() == f"False|{here}|{path / 'papergan' / 'conf'}|python -m papergan", done.stderr


def test_a_pyproject_of_something_else_above_site_packages_is_no_checkout(tmp_path):
    path = installed(tmp_path, configuration=True)
    for folder in (path.parent, tmp_path):
        (folder / "pyproject.toml").touch()
    assert python(path, tmp_path, "-c", SHOW).stdout.startswith("False|")


def test_a_package_without_its_configuration_says_so_in_one_line(tmp_path):
    path = installed(tmp_path, configuration=False)
    done = python(path, tmp_path, "-m", "papergan", "run", "--pipelines", "hybrid_cifar10")
    assert (done.returncode, done.stdout) == (1, "")
    wanted = f"papergan: {path / 'papergan/conf/base'}: the configuration is missing; bring it back with `pip install "
    assert done.stderr.startswith(wanted)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("given", [["run", "--env", "nowhere"], ["--env", "nowhere"]], ids=" ".join)
def test_without_the_name_of_a_command_it_is_run(given, tmp_path):
    done = python(PROJECT / "src", tmp_path, "-m", "papergan", *given)
    assert done.returncode == 1
    assert done.stderr == "papergan: unknown environment 'nowhere'; known: base, demo, local, test\n"


def test_nothing_of_another_repository_is_taken_for_the_commit_of_this_one(monkeypatch):
    from papergan.tracking import provenance

    assert provenance._git("rev-parse", "--git-dir") is not None
    monkeypatch.setattr(provenance, "IN_CHECKOUT", False)
    assert provenance._git("rev-parse", "--git-dir") is None
