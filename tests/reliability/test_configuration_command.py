"""Everything that is wrong, on one line with exit status 1, before a device or a file is touched."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from kedro.pipeline import Pipeline, node

from helpers.configurations import DOCUMENT, Change, appended, changed
from helpers.project_run import EXPERIMENT, KEDRO, PROJECT, environment, kedro_here
from papergan.errors import RecipeError

RUN = ("run", "--pipelines", EXPERIMENT, "--env", "test")

# ---- the whole command -----------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch) -> Iterator[Callable[..., str]]:
    """`kedro <arguments>` in this process, which must fail with one line; gives that line."""
    kedro_here()
    from papergan.cli import cli

    workspace = tmp_path / "workspace"
    workspace.mkdir()
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(workspace))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("a device was touched"))
    handler = signal.getsignal(signal.SIGTERM)

    def refused(*arguments: str) -> str:
        done = CliRunner().invoke(cli, list(arguments))
        assert done.exit_code == 1, done.output
        assert isinstance(done.exception, SystemExit), done.exception
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert not list(workspace.iterdir())
        return done.stderr.strip()

    yield refused
    signal.signal(signal.SIGTERM, handler)


def test_a_pipeline_that_a_user_registers_is_known(command, monkeypatch):
    monkeypatch.setattr("papergan.cli.pipelines", {"report": Pipeline([node(len, "scores", "count", name="count")])})
    assert "does not contain nodes named ['cuont']; did you mean 'count'" in command(
        "run", "--pipelines", "report", "--nodes", "cuont"
    )


def test_a_file_of_options_without_its_section_is_said_to_need_one(command, tmp_path):
    (tmp_path / "options.yml").write_text("pipelines: hybrid_cifar10\n")
    assert "a file for --config has its options as text below `run:`" in command(
        "run", "--config", str(tmp_path / "options.yml")
    )


def test_all_faults_of_all_experiments_come_on_one_line(command):
    wrong = (
        "hybrid_cifar10.sede=1,hybrid_cifar10.training.batch_size=0,hybrid_cifar10.training.epoch=2,"
        "hybrid_cifar10.overrides.widht=3,hybrid_cifar10.overrides.width=2,dcgan_cifar10.dataset=cifar"
    )
    line = command("run", "--pipelines", "hybrid_cifar10,dcgan_cifar10", "--env", "test", "--params", wrong)
    for part in (
        "papergan: ",
        "hybrid_cifar10: unknown key 'sede'; did you mean 'seed'?",
        "hybrid_cifar10.training.batch_size: Input should be greater than or equal to 1, got 0",
        "hybrid_cifar10.training: unknown key 'epoch'; did you mean 'epochs'?",
        "system 'hybrid' has no setting 'widht'; did you mean 'width'?",
        "setting 'width' of system 'hybrid': Input should be greater than or equal to 4, got 2",
        "dcgan_cifar10.dataset: unknown data set 'cifar'; did you mean 'cifar10'?",
    ):
        assert part in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pipelines", "hybrid_cifr10"), "unknown pipeline 'hybrid_cifr10'; did you mean 'hybrid_cifar10'"),
        (("--pipelines", EXPERIMENT, "--nodes", "trian"), "Pipeline does not contain nodes named ['trian']"),
        (("--pipelines", EXPERIMENT, "--tags", "trian"), "Pipeline contains no nodes"),
        (("--pipelines", EXPERIMENT, "--to-outputs", "trian"), "Pipeline does not contain datasets named ['trian']"),
        (("--pipelines", EXPERIMENT, "--namespaces", "trian"), "nodes with the following namespaces: ['trian']"),
        (
            ("--pipelines", EXPERIMENT, "--runner", "Fast"),
            "unknown runner 'Fast': module 'kedro.runner' has no attribute",
        ),
        (("--env", "tset"), "unknown environment 'tset'; did you mean 'test'"),
        (("--params", "hybrid_cifr10.seed=1"), "unknown experiment 'hybrid_cifr10'; did you mean"),
        (
            ("--load-versions", "trian:2026-01-31T12.00.00.000Z"),
            "'load_versions' keys [trian] are not found in the catalog",
        ),
        (("--load-versions", "trian:2026"), "'trian' cannot have a version '2026': versions are folders named by time"),
        (("--load-versions", f"{EXPERIMENT}.generator:../../../etc"), "Version string '../../../etc' is not allowed"),
        (
            (*RUN[1:], "--load-versions", f"{EXPERIMENT}.generator:2026-01-31T12.00.00.000Z"),
            f"this run makes {EXPERIMENT}.generator, and its later nodes would load the version that is given instead",
        ),
        (("--load-versions", "trian"), "Expected the form of 'load_versions'"),
        (("--env", "/etc"), "unknown environment '/etc'; known: base, demo, local, test"),
        (("--env", "../.."), "unknown environment '../..'; known: base, demo, local, test"),
        (("--env", "base/parameters"), "unknown environment 'base/parameters'"),
        (("--env", "x" * 30_000), "unknown environment 'xxx"),
        (("--pipelines", "x" * 30_000), "unknown pipeline 'xxx"),
        (("--runner", "ParallelRunner"), "'ParallelRunner' cannot run this project"),
        (("--runner", "ThreadRunner"), "'ThreadRunner' cannot run this project"),
        (("--runner", "os.system"), "'os.system' is not a runner; leave --runner out"),
        (("--runner", "os.path"), "'os.path' is not a runner"),
        (("--runner", "pathlib.Path"), "'pathlib.Path' is not a runner"),
        (("--runner", "AbstractRunner"), "'AbstractRunner' is not a runner"),
        (("--runner", "x" * 30_000), "unknown runner 'xxx"),
        (("--params", "hybrid_cifar10=["), "the options cannot be read: line 2, column 1: did not find expected node"),
        (("--params", "hybrid_cifar10.seed=" + "9" * 5000), "the options cannot be read: Exceeds the limit"),
        (("--params", "hybrid_cifar10.seed=???"), "hybrid_cifar10.seed: '???' stands for a missing value; give one"),
        (("--params", "hybrid_cifar10.training.steps=???"), "hybrid_cifar10.training.steps: '???' stands for"),
        (("--params", "x" * 300_000 + "=1"), "unknown experiment 'xxx"),
    ],
)
def test_names_that_do_not_exist(command, arguments, message):
    line = command("run", *arguments)
    assert message in line
    assert len(line) < 2000


def test_a_faulty_option_of_any_length_is_cut():
    from papergan.cli import cli

    done = CliRunner().invoke(cli, ["run", "--params", "x" * 300_000])
    assert done.exit_code == 2
    assert len(done.stderr) < 1000


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("hybrid_cifar10.__class__=1", "hybrid_cifar10: unknown key '__class__'"),
        ("hybrid_cifar10.seed=18446744073709551616", "hybrid_cifar10.seed: Input should be less than"),
        ("retention.versions=-1", "retention.versions: Input should be greater than or equal to 1, got -1"),
        ("metric_sanity.sede=1", "metric_sanity: unknown key 'sede'; did you mean 'seed'?"),
        ("table_iv.seeds=[-1]", "table_iv.seeds.0: Input should be greater than or equal to 0"),
        ("real=/nowhere", "real: there is no folder or file /nowhere"),
    ],
)
def test_params_that_nothing_reads_are_checked(command, params, message):
    assert message in command("run", "--pipelines", "comparison", "--env", "test", "--params", params)


@pytest.mark.parametrize("variable", ["PAPERGAN_WORKSPACE", "PAPERGAN_DATA"])
@pytest.mark.parametrize("below", ["", "further/down"])
def test_a_folder_that_is_a_file_is_named_by_its_variable(command, tmp_path, monkeypatch, variable, below):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv(variable, str(file / below))
    assert command("run", "--pipelines", "dcgan_emoji").startswith(f"papergan: {variable}='{file}")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("hybrid_cifar10.training.device=cpu,hybrid_cifar10.image_size=33", "cannot be built for 3x33x33 images"),
        ("hybrid_cifar10.training.device=cuda,hybrid_cifar10.train_limit=3", "3 images cannot fill a batch of 16"),
        ("hybrid_cifar10.evaluation.splits.0=1", "evaluation.splits: Input should be a valid integer, got {'0': 1}"),
        ("hybrid_cifar10=3", "hybrid_cifar10: expected a mapping of settings, got 3"),
        ("hybrid_cifar10.training=[1]", "training: expected a mapping"),
    ],
)
def test_params_that_do_not_fit(command, params, message):
    assert message in command(*RUN, "--params", params)


def test_files_of_the_configuration_that_is_named(command, tmp_path):
    broken = changed(tmp_path, {"base/catalog.yml": "a: ["})
    assert "catalog.yml cannot be read: line 2" in command(*RUN, "--conf-source", str(broken))
    (tmp_path / "empty").mkdir()
    line = command(*RUN, "--conf-source", str(tmp_path / "empty"))
    assert "empty: there is no folder 'base' of configuration in it" in line


def test_other_commands_tell_the_user_in_one_line_and_bugs_in_full(capsys, monkeypatch):
    import papergan.cli

    seen: list[Any] = []
    monkeypatch.setattr(papergan.cli, "_default_excepthook", lambda *error: seen.append(error))
    wrapped = ValueError("Kedro says")
    wrapped.__cause__ = RecipeError("one line")
    for error in (RecipeError("one line"), wrapped):
        sys.excepthook(type(error), error, None)
        assert capsys.readouterr().err == "papergan: one line\n"
    assert sys.excepthook is papergan.cli._show_error
    bug = ValueError("a bug")
    sys.excepthook(ValueError, bug, None)
    assert seen == [(ValueError, bug, None)]


# ---- a project whose own files are broken ----------------------------------------------------------------------------


def project_with(folder: Path, files: dict[str, Change]) -> Path:
    """A copy of the project; its code reads its own conf/base/parameters."""
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder)
    changed(folder, files)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--pipelines", EXPERIMENT),
        pytest.param(("registry", "list"), marks=pytest.mark.reliability),
        pytest.param(("catalog", "list-patterns"), marks=pytest.mark.reliability),
        pytest.param(("mlflow", "ui"), marks=pytest.mark.reliability),
        pytest.param(("clean",), marks=pytest.mark.reliability),
    ],
    ids=" ".join,
)
def test_every_command_tells_in_one_line_which_file_of_the_project_is_broken(tmp_path, arguments):
    folder, workspace = project_with(tmp_path / "project", {DOCUMENT: appended("\tx")}), tmp_path / "workspace"
    workspace.mkdir()
    surroundings = {**environment(workspace), "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        [*KEDRO, *arguments], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"papergan: {folder / 'conf' / DOCUMENT} cannot be read: line ")
    assert not list(workspace.iterdir())
