"""`make check-system NAME=...` is there and selects what is keyed to a system, as every kind of test is."""

from __future__ import annotations

import ast
import re

import pytest

from helpers.keyed_tests import keys_of
from helpers.project_run import PROJECT
from helpers.small_systems import VARIANTS

MAKEFILE = (PROJECT / "Makefile").read_text()
KEYED = {  # what is asked of every system, by what says so
    "golden numbers": "test_the_first_steps_come_to_the_golden_numbers",
    "small build": "test_every_player_moves_and_every_report_is_finite",
    "sampling": "test_it_samples_images",
    "resuming": "test_a_resumed_game_is_the_game_that_never_stopped",
    "ranks": "test_two_ranks_come_to_what_one_process_comes_to",
    "recording": "test_repeated_iterations_are_the_played_ones_bit_for_bit",
    "no waiting": "test_a_step_neither_reads_the_device_nor_sends_to_it",
    "precision": "test_a_step_in_bfloat16_is_the_step_in_float32_to_its_three_digits",
    "determinism": "test_deterministic_runs_are_on_a_cpu_the_same_bits_as_any_run",
    "sizes": "test_images_of_any_size_are_made_or_refused_by_that_size",
    "bounds": "test_every_number_of_every_system_has_a_bound",
    "configuration": "test_an_experiment_is_a_valid_recipe_of_its_own",
}


def keyed_functions() -> set[str]:
    """Tests with a parameter that is a system, or a game or an experiment of one."""
    found = set()
    for path in (PROJECT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for mark in getattr(node, "decorator_list", ()):
                if re.match(r"pytest\.mark\.parametrize\('(name|system|kind|experiment)'", ast.unparse(mark)):
                    found.add(node.name)
    return found


class Collected:
    """A plugin that notes the names of the tests that would run."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.names = {item.nodeid.split("::")[1] for item in session.items}


def collect(*arguments: str) -> set[str]:
    """What would run, of two files that are quickly read."""
    files = [str(PROJECT / "tests" / name) for name in ("test_bounds.py", "test_configuration.py")]
    collected, quiet = Collected(), ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:xdist"]
    options = ["--rootdir", str(PROJECT), "--collect-only", "-q", *quiet]
    assert pytest.main([*options, *arguments, *files], plugins=[collected]) == pytest.ExitCode.OK
    return collected.names


def test_every_kind_of_test_is_keyed_to_a_system():
    assert set(KEYED.values()) <= keyed_functions()


def test_the_command_is_in_the_makefile():
    (recipe,) = re.findall(r"^check-system:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert '-m pytest -m "not slow and not reliability" --system $(NAME)\n' in recipe
    assert "check-system" in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()


def test_the_command_selects_what_has_the_name_and_nothing_else():
    """The name is compared as a whole: "gan" is in the names of most systems."""
    recipes = keys_of("dcgan") - {"dcgan", *VARIANTS}
    keys = {f"test_an_experiment_is_a_valid_recipe_of_its_own[{key}]" for key in recipes}
    assert collect("--system", "dcgan") == keys | {"test_every_number_of_every_system_has_a_bound[dcgan]"}
    assert len(keys) > 1


def test_the_command_needs_a_system_that_is_there():
    with pytest.raises(pytest.UsageError, match="unknown system 'wgan_pg'; there are acgan, adaptive_mix, ali"):
        keys_of("wgan_pg")
