"""The house rules that a machine can check: style, types, layers, nothing unsafe, nothing private."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(*command: str) -> None:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("lint-imports",), ("mypy",)],
    ids=lambda command: command[0] + "-" + command[-1].strip("-."),
)
def test_style_types_and_layers(command):
    run(*command)


def source_files() -> list[Path]:
    return [*ROOT.glob("src/**/*.py"), *ROOT.glob("conf/**/*.yml")]


@pytest.mark.parametrize(
    "unsafe",
    [
        r"nan_to_num",
        r"weights_only\s*=\s*False",
        r"\bimport pickle\b|pickle\.load|joblib|dill",
        r"torch\.load\((?!.*weights_only=True)",
        r"0\.0\.0\.0",
        r"verify\s*=\s*False",
        r"yaml\.load\((?!.*(SafeLoader|loader))",
        r"\beval\(|\bexec\(",
    ],
)
def test_nothing_unsafe(unsafe):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in source_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(unsafe, line) and "sampler.eval()" not in line and ".eval()" not in line
    ]
    assert not found


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.glob("src/**/*.py")
        if (lines := len(path.read_text().splitlines())) > 260
    }
    assert not long


def test_dependencies_are_pinned_without_hosts():
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+!\-]+", pin) for pin in pins)
    pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert {re.split("[><=~!]", one)[0].lower().replace("_", "-") for one in declared} <= pinned


def test_telemetry_is_off_in_the_projects_own_files():
    assert "consent: false" in (ROOT / ".telemetry").read_text()
    code = "import papergan.settings, os; assert os.environ['DO_NOT_TRACK'] == 'true' == os.environ[{!r}]"
    code = code.format("MLFLOW_DISABLE_TELEMETRY")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
