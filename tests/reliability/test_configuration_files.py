"""Files of configuration that cannot be read, or do not go together: one line that names the file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from helpers.configurations import DOCUMENT, OVERLAY, Change, appended, changed, loaded, told
from helpers.project_run import EXPERIMENT
from papergan.config import registry
from papergan.config.experiment import Recipe
from papergan.config.yaml_file import read_entries
from papergan.errors import RecipeError
from papergan.hooks.config_loader import ReadableConfigLoader

# ---- files that cannot be read ---------------------------------------------------------------------------------------

TAG = "x: !!python/object/apply:os.mkdir ['{}']"
UNREADABLE: dict[str, tuple[str, Change, str]] = {
    "tabs": (OVERLAY, appended("\tseed: 1"), r"line \d+, column 1: found a? ?\w*"),
    "an unclosed bracket": (OVERLAY, "hybrid_cifar10: {seed: 1", r"line 2, column 1: did not find expected ',' or '}'"),
    "a key twice": (OVERLAY, "hybrid_cifar10: {seed: 1, seed: 2}", r"duplicate key seed"),
    "a list": (OVERLAY, "- hybrid_cifar10", "expected a mapping, got a list"),
    "a number": (OVERLAY, "3", "Invalid loaded object type: int"),
    "not UTF-8": (OVERLAY, "hybrid_cifar10: {description: é}".encode("latin1"), "'utf-8' codec can't decode byte 0xe9"),
    "UTF-16": (OVERLAY, "hybrid_cifar10: {}".encode("utf-16"), "codec can't decode"),
    "a control character": (OVERLAY, "hybrid_cifar10: {}\n\0", "control characters are not allowed"),
    "a tag of ours": (OVERLAY, "x: !mine 3", "could not determine a constructor for the tag '!mine'"),
    "a list as key": (OVERLAY, "? [a]\n: 3", "unhashable key"),
    "null as key": (OVERLAY, "hybrid_cifar10: {null: 3}", "Incompatible key type 'NoneType'"),
    "two documents": (OVERLAY, "a: {}\n---\nb: {}", "another document"),
    "a merge of no mapping": (OVERLAY, "hybrid_cifar10: {<<: 3}", "expected a mapping or list of mappings"),
    "an alias to itself": (OVERLAY, "hybrid_cifar10: &x {training: *x}", "recursive"),
    "aliases without end": (
        OVERLAY,
        "\n".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}' if i else '1'] * 9)}]" for i in range(7)),
        "YAML .*expan(d|sion)",
    ),
    "a catalog": ("base/catalog.yml", "a: [", r"catalog\.yml cannot be read: line 2, column 1"),
    "an mlflow.yml": ("base/mlflow.yml", "- a", r"mlflow\.yml cannot be read: expected a mapping"),
    "no catalog": ("base/catalog.yml", None, r"base: Kedro finds no catalog file in it"),
    "no mlflow.yml": ("base/mlflow.yml", None, r"base: Kedro finds no mlflow file in it"),
}
UNMERGED: dict[str, tuple[str, str]] = {
    "a list over a recipe": (
        "hybrid_cifar10: [1]",
        r"test.parameters.tahvili2025\.yml: hybrid_cifar10: expected a mapping, got a list",
    ),
    "an unknown reference": (
        "hybrid_cifar10: {seed: '${nowhere}'}",
        "parameters in .*'nowhere' not found.*cifar10.seed",
    ),
    "an environment variable": ("hybrid_cifar10: {seed: '${oc.env:HOME}'}", "Unsupported interpolation type oc.env"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_the_line(tmp_path, what):
    name, change, message = UNREADABLE[what]
    conf = changed(tmp_path, {name: change})
    with pytest.raises(RecipeError, match=message) as error:
        loaded(conf)
    assert Path(name).stem in told(error)


@pytest.mark.parametrize("what", UNMERGED)
def test_files_that_do_not_go_together_are_named_by_kind_and_key(tmp_path, what):
    text, message = UNMERGED[what]
    with pytest.raises(RecipeError, match=message) as error:
        loaded(changed(tmp_path, {OVERLAY: text}))
    told(error)


def test_all_files_that_cannot_be_read_are_named_together(tmp_path):
    broken: dict[str, Change] = {
        DOCUMENT: appended("\tx"),
        OVERLAY: "- a",
        "base/mlflow.yml": "a: [",
        "base/published.yml": "{",
    }
    with pytest.raises(RecipeError) as error:
        loaded(changed(tmp_path, broken))
    assert told(error).count("cannot be read") == 4
    assert all(name in str(error.value) for name in broken)


def test_a_file_without_permission_is_named(tmp_path, monkeypatch):
    conf = changed(tmp_path, {})
    (conf / OVERLAY).unlink()
    (conf / OVERLAY).symlink_to(conf / OVERLAY)  # nobody may read this one, root neither
    with pytest.raises(RecipeError, match="tahvili2025.yml cannot be read: .*symbolic links"):
        loaded(conf)


@pytest.mark.parametrize("file", [DOCUMENT, OVERLAY, "base/published.yml"])
def test_python_in_yaml_does_not_run(tmp_path, file):
    mark = tmp_path / "ran"
    conf = changed(tmp_path, {file: appended(TAG.format(mark))})
    if file != "base/published.yml":
        with pytest.raises(RecipeError, match="could not determine a constructor for the tag"):
            loaded(conf)
    with pytest.raises(RecipeError, match=r"line \d+, column \d+: could not determine a constructor"):
        read_entries(conf / file, "names to recipes")
    assert not mark.exists()


def test_an_overlay_in_local_is_checked_as_well(tmp_path):
    texts = ("hybrid_cifar10: {training: null}", "hybrid_cifar10: {training: [1]}", "hybrid_cifar10: 3")
    for number, text in enumerate(texts):
        conf = changed(tmp_path / str(number), {"local/parameters.yml": text})
        with pytest.raises(RecipeError, match=r"hybrid_cifar10.*expected a mapping( of settings)?, got") as error:
            Recipe.parse(EXPERIMENT, loaded(conf, "local")["parameters"][EXPERIMENT])
        told(error)


def tree(draw: random.Random, depth: int) -> Any:
    """A mapping, a list or a value."""
    kind = draw.random() if depth else 1.0
    if kind < 0.6:
        return {draw.choice("abcd"): tree(draw, depth - 1) for _ in range(3)}
    return [tree(draw, depth - 1)] if kind < 0.7 else draw.choice([1, 2.5, True, None, "x", "???", {}, []])


def test_environments_are_merged_as_kedro_merges_them():
    draw, refused = random.Random(0), 0
    for _ in range(300):
        base, overlay = ({key: tree(draw, 3) for key in keys} for keys in ("ab", "abc"))
        try:
            expected = OmegaConfigLoader._soft_merge(base, overlay)
        except Exception:  # of OmegaConf, for a list over a mapping
            refused += 1
            with pytest.raises(ValueError, match="expected a"):
                ReadableConfigLoader._soft_merge(base, overlay)
        else:
            assert repr(ReadableConfigLoader._soft_merge(base, overlay)) == repr(expected)
    assert 10 < refused < 200


# ---- the list of experiments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping of experiment names"),
        ("# nothing\n", "expected a mapping of experiment names"),
        ("a:\n", "expected a mapping of experiment names"),
        ("3: {}\n", "expected a mapping of experiment names"),
        ("a: {}\n\tb: {}\n", "a.yml cannot be read: line 2"),
        ("a: {\n", "a.yml cannot be read: line 2"),
        ("a: " + "[" * 3000, "a.yml cannot be read"),
        ("../a: {}\n", "'../a' cannot be the name of an experiment: letters, digits and _"),
        ("a.b: {}\n", "'a.b' cannot be the name"),
        (
            "metric_sanity: {}\n",
            "'metric_sanity' cannot be the name of an experiment: .*none of channel_study, comparison",
        ),
    ],
)
def test_a_wrong_list_of_experiments(tmp_path, text, message):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(RecipeError, match=message) as error:
        registry.discover(tmp_path)
    assert str(tmp_path / "a.yml") in told(error)


def test_a_name_that_is_no_text_is_no_experiment():
    with pytest.raises(RecipeError, match="unknown experiment '?3'?; `kedro run` lists what there is"):
        registry.refuse_unknown({3: {}})
