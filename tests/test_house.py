"""The house rules that a machine can check: style, types, layers, nothing unsafe, nothing private."""

from __future__ import annotations

import ast
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
        r"allow_pickle\s*=\s*True",
        r"\bpickle\.load|\bjoblib\b|\bdill\b",
        r"0\.0\.0\.0",
        r"verify\s*=\s*False",
        r"unsafe_load|FullLoader|UnsafeLoader|yaml\.Loader",
    ],
)
def test_nothing_unsafe(unsafe):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in source_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(unsafe, line)
    ]
    assert not found


NEVER = {("eval",), ("exec",), ("__import__",), ("torch.jit", "load"), ("torch.hub", "load")}
UNPICKLE = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}
MUST_SAY = {
    ("torch", "load"): ("weights_only", "True"),
    ("np", "load"): ("allow_pickle", "False"),
    ("numpy", "load"): ("allow_pickle", "False"),
    ("npy", "read_array"): ("allow_pickle", "False"),
    ("yaml", "load"): ("Loader", "loader"),  # which is named in experiments, the only place: see `test_experiments`
}


def unsafe_calls(code: str) -> list[str]:
    """What in Python code could run code that is in data."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"import {name}" for name in names if name.split(".")[0] in UNPICKLE]
        if not isinstance(node, ast.Call):
            continue
        called = tuple(ast.unparse(node.func).rsplit(".", 1))
        said = {(word.arg, ast.unparse(word.value)) for word in node.keywords}
        if called in NEVER or MUST_SAY.get(called, ("", "")) not in {*said, ("", "")}:
            found.append(ast.unparse(node))
        if called == ("importlib", "import_module") and ast.unparse(node.args[0]) != "f'{__name__}.{name}'":
            found.append(ast.unparse(node))
    return found


def test_no_code_comes_from_data():
    files = {*ROOT.glob("src/**/*.py"), *ROOT.glob("benchmarks/**/*.py")}
    files -= set(ROOT.glob("benchmarks/peers/*.py"))  # whose purpose is to run the code that their user names
    assert not {str(path): calls for path in sorted(files) if (calls := unsafe_calls(path.read_text()))}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "torch.load(a)", "torch.load(a, weights_only=False)", "np.load(a)",
        "yaml.load(a, Loader=yaml.Loader)", "eval(a)", "exec(a)", "importlib.import_module(name)", "import dill.x",
    ],
)  # fmt: skip
def test_unsafe_code_would_be_seen(code):
    assert unsafe_calls(code)


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
