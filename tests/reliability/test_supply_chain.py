"""What is in the repository and what it is installed with: no code in data, no secrets, no binaries, no open doors."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from helpers.project_run import PROJECT
from papergan import systems
from papergan.errors import RecipeError

SUFFIXES = {
    ".cff", ".cfg", ".css", ".csv", ".gitignore", ".gitkeep", ".ini", ".ipynb", ".json", ".md", ".py", ".sh",
    ".telemetry", ".toml", ".txt", ".typed", ".yaml", ".yml", "",
}  # fmt: skip
PICTURES = {".png": b"\x89PNG\r\n\x1a\n", ".gif": b"GIF89a"}  # what a file of each begins with
SCRIPTS = {"LICENSE", "Makefile", ".ci/run"}
LARGEST = 1_000_000  # bytes
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a key of AWS": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}",
    "a token of Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "a token of a registry": r"\bpypi-[A-Za-z0-9_-]{40,}",
    "a key of a service": r"\b(sk|xox[abpr])-[A-Za-z0-9-]{20,}",
    "a password in an address": r"[a-z][a-z0-9+.-]*://[^\s/:@\"'{}<>]+:[^\s/@\"'{}<>]+@",
    "an assigned secret": r"(?i)\b(password|passwd|secret|api_?key|access_token)\b\s*[:=]\s*[\"'][^\"'{}<>\s]{6,}[\"']",
}
HOMES = r"/(?:home|Users)/[a-z_][\w.-]*/|/root/|[A-Z]:\\\\?Users\\\\?"
SERVERS = {"kedro viz run": ("kedro_viz.launchers.cli.run", "run"), "mlflow ui": ("mlflow.cli", "server")}
AUDIT = ("--requirement", "constraints.txt", "--no-deps", "--disable-pip", "--vulnerability-service", "osv")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository. Skips where this is no clone."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a clone with git: {done.stderr.strip()}")
    return tuple(PROJECT / name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file())


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def lines_with(pattern: str, *, but: frozenset[str] = frozenset()) -> list[str]:
    """Where text files of the repository have it."""
    return [
        f"{name_of(path)}:{number}: {line.strip():.300}"
        for path in tracked()
        if path.suffix not in PICTURES and name_of(path) not in but
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


HERE = name_of(Path(__file__))
RULES = frozenset({HERE, "tests/test_house.py", "tests/test_configuration.py"})  # these say what is not to be said


PAGE = "src/papergan/serving/page.html"  # of the server: text, and it loads nothing from elsewhere


def test_no_binaries_but_small_pictures_of_results():
    odd = [
        name_of(path)
        for path in tracked()
        if (path.suffix or path.name) not in SUFFIXES | set(PICTURES)
        and name_of(path) not in SCRIPTS
        and name_of(path) != PAGE
        and path.name not in SUFFIXES
    ]
    assert not odd
    pictures = [path for path in tracked() if path.suffix in PICTURES]
    assert all(name_of(path).startswith("benchmarks/results/") for path in pictures), pictures
    assert all(path.read_bytes().startswith(PICTURES[path.suffix]) for path in pictures)
    assert not [name_of(path) for path in tracked() if path not in pictures and b"\0" in path.read_bytes()]
    assert not [name_of(path) for path in tracked() if path.stat().st_size > LARGEST]


@pytest.mark.parametrize("what", SECRETS)
def test_no_secrets(what):
    assert not lines_with(SECRETS[what], but=frozenset({HERE}))


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a private key", "-----BEGIN RSA PRIVATE KEY-----"),
        ("a key of AWS", "key = AKIAABCDEFGHIJKLMNOP"),
        ("a token of GitHub", "ghp_" + "a" * 36),
        ("a token of Hugging Face", "hf_" + "a" * 34),
        ("a token of a registry", "pypi-" + "a" * 60),
        ("a key of a service", "sk-" + "a" * 30),
        ("a password in an address", "http://me:word@example.org/"),
        ("an assigned secret", 'password: "correcthorse"'),
    ],
)
def test_a_secret_would_be_seen(what, text):
    assert re.search(SECRETS[what], text)


def test_no_paths_of_somebodys_machine():
    assert not lines_with(HOMES, but=frozenset({HERE}))
    for text in ("see /home/somebody/data", "/root/x", "C:" + 2 * chr(92) + "Users" + chr(92) + "x"):
        assert re.search(HOMES, text)


@pytest.mark.parametrize("door", [r"0\.0\.0\.0", r"verify\s*=\s*False", r"--allowed-hosts", r"--no-check-certificate"])
def test_no_door_is_open_and_no_certificate_unchecked(door):
    assert not lines_with(door, but=RULES)


def test_every_server_in_the_documents_stays_on_this_machine():
    """Those whose command names no host must have it by default."""
    started = lines_with(
        r"\b(kedro viz|mlflow (ui|server)|jupyter|tensorboard|uvicorn|gunicorn|http\.server)\b", but=RULES
    )
    documented = [
        line for line in started if re.match(r"(README|CONTRIBUTING|docs/|conf/|notebooks/|benchmarks/)", line)
    ]
    assert documented
    for line in documented:
        if re.match(r"benchmarks/(results/)?peers", line):  # which speaks of peers' packages, and starts nothing
            continue
        named = re.findall(r"--host[ =]([\w.:]+)", line)
        assert set(named) <= {"127.0.0.1", "localhost"}, line
        known = re.search(r"kedro viz|kedro mlflow ui|mlflow ui|jupyter lab", line)
        assert named or known, f"what does it listen to? {line}"


def test_jupyter_listens_to_this_machine_by_default():
    server = pytest.importorskip("jupyter_server.serverapp").ServerApp
    assert server.ip.default_value == "localhost" or server().ip == "localhost"


@pytest.mark.parametrize("command", SERVERS)
def test_a_server_listens_to_this_machine_by_default(command):
    module, name = SERVERS[command]
    given = getattr(pytest.importorskip(module), name)
    (host,) = [option for option in given.params if option.name == "host"]
    assert host.default == "127.0.0.1"


def test_what_is_private_is_ignored_by_git_and_credentials_are_nowhere():
    names = {name_of(path) for path in tracked()}
    assert {name for name in names if name.startswith("conf/local/")} == {"conf/local/.gitkeep"}
    private = [
        "conf/local/credentials.yml",
        "conf/local/mlflow.yml",
        "conf/local/a/b.yml",
        ".env",
        "data/x",
        "mlruns/x",
    ]
    done = subprocess.run(["git", "check-ignore", *private], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == private
    assert not [name for name in names if re.search(r"credential|\.pem$|\.key$|id_rsa|\.netrc|\.pypirc", name)]
    assert not [
        line for line in lines_with(r"(?i)credentials") if line.startswith(("conf/base", "conf/test", "conf/demo"))
    ]


def test_the_linter_looks_for_holes():
    chosen = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in chosen["select"]
    assert [rule for rule in chosen["ignore"] if rule.startswith("S") and rule[1:].isdigit()] == ["S101"]
    relaxed = [where for where, rules in chosen["per-file-ignores"].items() if "S" in rules]
    assert relaxed == ["tests/**"]


def test_torch_is_newer_than_the_known_holes_of_weights_only():
    """CVE-2025-32434: before 2.6; CVE-2026-24747: before 2.10."""
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    (floor,) = [re.fullmatch(r"torch>=(\d+)\.(\d+)", one) for one in wanted if re.match(r"torch\b(?!-)", one)]
    assert floor is not None
    assert (int(floor[1]), int(floor[2])) >= (2, 10)


@pytest.mark.parametrize(
    "name", ["os", "os.path", "..hybrid", "hybrid.os", "papergan.systems.hybrid", "__init__", "", "/"]
)
def test_a_system_is_a_file_of_the_folder_and_never_an_import_path(name):
    before = set(sys.modules)
    with pytest.raises(RecipeError, match="unknown system"):
        systems.find(name)
    assert set(sys.modules) == before


def test_constraints_have_every_requirement_of_make_audit():
    recipe = (PROJECT / "Makefile").read_text()
    assert "pip_audit " + " ".join(AUDIT) in recipe


@pytest.mark.reliability
def test_no_pinned_version_has_a_known_hole():
    if importlib.util.find_spec("pip_audit") is None:
        pytest.skip("needs pip-audit; `make audit` says how to get it")
    command = [sys.executable, "-m", "pip_audit", *AUDIT, "--timeout", "10", "--progress-spinner", "off"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False)
    if re.search(r"ConnectionError|ConnectTimeout|ReadTimeout|ServiceError", done.stderr):
        pytest.skip(f"the list of holes cannot be reached: {done.stderr.splitlines()[-1]:.200}")
    assert done.returncode == 0, done.stdout + done.stderr
