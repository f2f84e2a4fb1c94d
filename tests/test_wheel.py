"""The wheel in a fresh environment, in any folder: training, sampling, cleaning, and not a word to other machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from helpers.project_run import PROJECT

pytestmark = pytest.mark.slow
SMALL = ",".join(
    f"hybrid_cifar10.{setting}"
    for setting in ("overrides.width=4", "training.epochs=0.02", "evaluation.num_samples=100",
                    "evaluation.final_num_samples=200")
)  # fmt: skip
GUARD = """
import socket
connect = socket.socket.connect
def noted(self, address):
    if self.family != socket.AF_UNIX:
        open({log!r}, "a").write(str(address) + "\\n")
    return connect(self, address)
socket.socket.connect = noted
"""  # imported by every interpreter of that environment


class Installed:
    """The wheel in an environment of its own, which finds third-party packages in the one of the tests."""

    def __init__(self, folder: Path) -> None:
        self.wheel = built(folder)
        self.bin, self.here, self.log = folder / "venv/bin", folder / "anywhere", folder / "connections"
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.packages = folder / f"venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "--python",
                self.bin / "python",
                "install",
                "--no-deps",
                "--no-index",
                self.wheel,
            ],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        (self.packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
        (self.packages / "sitecustomize.py").write_text(GUARD.format(log=str(self.log)))
        self.here.mkdir()

    def __call__(self, program: str, *arguments: str, expected: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PAPERGAN", "PYTHON"))}
        kept = {name: value for name, value in kept.items() if name not in ("DO_NOT_TRACK", "KEDRO_LOGGING_CONFIG")}
        surroundings = {**kept, "HOME": str(self.here.parent), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        return run([self.bin / program, *arguments], cwd=self.here, env=surroundings, expected=expected)


def run(command: list[object], *, expected: int = 0, **options: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=900, **options)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def built(folder: Path) -> Path:
    """The wheel of what git has of this project, by the same program as `kedro package`, without a network."""
    source = folder / "source"
    for name in run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=PROJECT).splitlines():
        if name.startswith(("src/", "conf/")) or name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, source / name)
    (source / "conf/local/secret.yml").write_text("password: x")
    left_over = source / "build/lib/papergan/removed_module.py"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder], cwd=source)
    run(["tar", "--exclude=local/*.yml", "-czf", folder / "conf-papergan.tar.gz", f"--directory={source}", "conf"])
    (wheel,) = folder.glob("papergan-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_the_configuration_and_nobodys_settings(installed):
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    conf = {f"papergan/{path.relative_to(PROJECT)}" for path in (PROJECT / "conf").rglob("*.yml")}
    own = {name for name in conf if name.startswith("papergan/conf/local/")}
    assert {name for name in names if name.startswith("papergan/conf/")} == {
        *conf - own, "papergan/conf/local/.gitkeep"
    }  # fmt: skip
    assert "papergan/removed_module.py" not in names


def test_it_runs_anywhere(installed):
    where = installed("python", "-c", "import papergan.project as p; print(p.__file__, p.PROJECT)")
    assert where.split() == [str(installed.packages / "papergan/project.py"), str(installed.here)]
    assert "python -m papergan run --pipelines hybrid_cifar10 --env demo" in installed("python", "-m", "papergan")

    said = installed("python", "-m", "papergan", "run", "--pipelines", "hybrid_cifar10", "--env", "demo",
                     "--params", SMALL)  # fmt: skip
    assert "data/08_reporting/comparison/comparison.html" in said
    assert "kedro" not in said.lower()
    assert {path.name for path in installed.here.iterdir()} <= {"data", "mlruns", "warnings.log"}
    assert (installed.here / "mlruns/mlflow.db").is_file()

    installed("papergan", "sample", "data/06_models/hybrid_cifar10", "-n", "3")
    assert len([*(installed.here / "samples").glob("*.png")]) == 3
    assert "Nothing to remove" in installed("python", "-m", "papergan", "clean")

    archive = str(installed.here.parent / "conf-papergan.tar.gz")
    said = installed("python", "-m", "papergan", "run", "--pipelines", "comparison", "--conf-source", archive)
    assert "hybrid_cifar10" in said

    assert not installed.log.exists(), installed.log.read_text()
    assert not [*installed.here.parent.rglob("telemetry.toml")]


def test_a_connection_would_be_seen(installed):
    code = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9), 1)"
    installed("python", "-c", code)
    assert "127.0.0.1" in installed.log.read_text()
    installed.log.unlink()


def test_a_package_without_its_configuration_says_so(installed):
    conf = installed.packages / "papergan/conf"
    conf.rename(conf.with_name("moved"))
    try:
        said = installed("python", "-m", "papergan", "run", expected=1)
    finally:
        conf.with_name("moved").rename(conf)
    assert said.startswith(f"papergan: {conf / 'base'}: the configuration is missing")
