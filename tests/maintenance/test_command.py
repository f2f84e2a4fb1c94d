"""`kedro clean`, as people type it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helpers.fake_workspace import OTHER, E, FakeWorkspace, full_workspace, held_elsewhere, version
from helpers.project_run import kedro_here
from papergan.config.registry import TOOL_PARAMETERS, refuse_unknown
from papergan.errors import RecipeError
from papergan.maintenance import rules
from papergan.maintenance.command import clean

FEW = ("--versions", "1", "--pictures", "2", "--checkpoints")


@pytest.fixture
def work(tmp_path, monkeypatch) -> FakeWorkspace:
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    made = full_workspace(tmp_path.resolve())
    made.make_old()
    return made


def run(*arguments: str) -> Result:
    kedro_here()
    result = CliRunner().invoke(clean, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def named(result: Result, folder: Path) -> set[str]:
    """Paths that --verbose names, relative to the workspace."""
    lines = (line.strip() for line in result.stdout.splitlines())
    return {str(Path(line).relative_to(folder)) for line in lines if line.startswith("/")}


def test_the_command_is_there_and_takes_no_other_ones_name():
    commands = kedro_here()
    ours, *others = commands.project_groups
    assert set(ours.list_commands(None)) >= {"run", "clean"}
    assert not any("clean" in group.list_commands(None) for group in [*others, *commands.global_groups])
    result = CliRunner().invoke(commands, ["clean", "--help"])
    assert result.exit_code == 0
    assert "can no longer be extended" in " ".join(result.stdout.split())


def test_without_yes_nothing_changes(work):
    before = work.listing()
    result = run(*FEW)
    assert (result.exit_code, work.listing()) == (0, before)
    assert "Nothing was removed" in result.stdout
    assert re.search(r"^ +\d+ +[\d.]+ k?B  older versions of outputs$", result.stdout, re.MULTILINE)


def test_yes_removes_what_was_shown_and_nothing_else(work):
    before = work.listing()
    shown = named(run(*FEW, "--verbose"), work.folder)
    result = run(*FEW, "--verbose", "--yes")
    assert result.exit_code == 0, result.output
    assert named(result, work.folder) == shown == set(before) - set(work.listing())
    assert {path: digest for path, digest in before.items() if path not in shown} == work.listing()
    assert re.search(r"^Removed \d+ things: [\d.]+ kB of room made\.$", result.stdout, re.MULTILINE)
    work.check_that_all_loads()
    again = run(*FEW, "--yes")
    assert again.exit_code == 0
    assert f"Nothing to remove in {work.folder}." in again.stdout


def test_by_default_finished_runs_keep_their_checkpoints_and_it_is_said_when_they_do_not(work):
    finished = f"data/06_models/{E}/checkpoints/{2:012x}/step-000000012.json"
    assert finished not in named(run("--verbose"), work.folder)
    asked = run("--verbose", "--checkpoints")
    assert finished in named(asked, work.folder)
    assert "results stay, but these runs can no longer be extended" in asked.stdout


def test_the_configuration_gives_the_defaults(work):
    shown = named(run("--verbose"), work.folder)
    assert f"data/06_models/{E}/generator.safetensors/{version(3)}" in shown
    assert f"data/06_models/{E}/generator.safetensors/{version(4)}" not in shown  # three newest
    assert not any("samples/step" in path for path in shown)  # fifty pictures


def test_one_experiment_is_cleaned_alone(work):
    work.weights("frames", 1, 1, OTHER)
    shown = named(run(*FEW, "--verbose", "--experiment", E), work.folder)
    assert shown
    assert all(f"/{E}/" in path for path in shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--experiment", "hybrid_cifr10"),
            "--experiment: unknown experiment 'hybrid_cifr10'; did you mean 'hybrid_ci",
        ),
        (("--versions", "0"), "retention.versions: Input should be greater than or equal to 1"),
        (("--pictures", "1"), "retention.pictures: Input should be greater than or equal to 2"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_nothing_is_removed(work, arguments, message):
    before = work.listing()
    result = run("--yes", *arguments)
    assert (result.exit_code, work.listing()) == (1, before)
    assert result.stderr.startswith(f"papergan: {message}")
    assert result.stderr.count("\n") == 1


def test_an_experiment_that_is_trained_is_left_alone_and_named(work):
    theirs = {path for path in work.listing() if f"/{E}/" in path}
    with held_elsewhere(work.models / E / "checkpoints" / f"{1:012x}" / "lock"):
        result = run("--yes", *FEW)
    assert result.exit_code == 0, result.output
    assert f"{E} is being trained: left alone" in result.stdout
    assert theirs <= set(work.listing())


def removed_with_an_error(work):
    """What was shown, what is gone after `--yes`, and the error about the rest."""
    before = set(work.listing())
    shown = named(run("--verbose", *FEW), work.folder)
    result = run("--yes", *FEW)
    assert result.exit_code == 1
    return shown, before - set(work.listing()), result.stderr


def test_what_is_needed_since_it_was_shown_stays(work, monkeypatch):
    made, calls, pointer = rules.plan, [], work.models / "gone" / "reference.json"

    def with_a_pointer_later(*arguments, **options):
        calls.append(made(*arguments, **options))
        if len(calls) == 2:  # shown by the first call without --yes, found by the second, needed before the third
            work.reference(30, "gone")
        return calls[-1]

    monkeypatch.setattr(rules, "plan", with_a_pointer_later)
    shown, gone, stderr = removed_with_an_error(work)
    assert pointer.exists()
    needed = {path for path in shown if "rulers/features" in path}
    assert len(needed) == 2
    assert gone == shown - needed
    assert sorted(stderr.splitlines()) == [
        f"papergan: {work.folder / path}: needed or changed since; left alone" for path in sorted(needed)
    ]


def test_what_may_not_be_removed_is_one_line_and_the_rest_goes_on(work, monkeypatch):
    def refuse(path):
        if path.suffix == ".lock":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path)

    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", refuse)
    shown, gone, stderr = removed_with_an_error(work)
    (lock,) = (path for path in shown if path.endswith(".lock"))
    assert stderr == f"papergan: {work.folder / lock}: not removed (Permission denied)\n"
    assert gone == shown - {lock}


def test_retention_is_no_experiment_that_kedro_run_would_refuse():
    assert "retention" in TOOL_PARAMETERS
    refuse_unknown({"retention": {}})
    with pytest.raises(RecipeError, match="did you mean 'retention'"):
        refuse_unknown({"retenton": {}})
