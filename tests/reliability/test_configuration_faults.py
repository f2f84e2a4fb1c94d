"""Wrong configuration: everything that is wrong on one line, exit status 1, before a device or a file is touched."""

from __future__ import annotations

import copy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.io.core import Version
from kedro.pipeline import Pipeline, node

import papergan.settings as project
from papergan import experiments, systems
from papergan.cleaning.retention import RetentionRecipe
from papergan.data.images import ImageSet, ImageSpec
from papergan.errors import DataError, MemoryShortError, RecipeError
from papergan.evaluation.published import published_rows
from papergan.hooks.preflight import preflight
from papergan.hooks.reading import ReadableConfigLoader
from papergan.io.weights import WeightsDataset
from papergan.measuring import EvaluationRecipe, ImagesRecipe, SanityRecipe
from papergan.recipe import Recipe
from papergan.strict import Strict
from papergan.training.batches import Batches
from papergan.weights import Weights
from project_run import EXPERIMENT, KEDRO, PROJECT, environment

CONF = PROJECT / "conf"
DOCUMENT, OVERLAY = "base/parameters/document_000.yml", "test/parameters/document_000.yml"
RUN = ("run", "--pipelines", EXPERIMENT, "--env", "test")

Change = str | bytes | None | Callable[[str], str]


def changed(folder: Path, files: dict[str, Change]) -> Path:
    """A copy of conf/ in which these files have another content, or are gone."""
    shutil.copytree(CONF, folder / "conf")
    for name, change in files.items():
        path = folder / "conf" / name
        if change is None:
            path.unlink()
        elif isinstance(change, bytes):
            path.write_bytes(change)
        else:
            path.write_text(change(path.read_text()) if callable(change) else change)
    return folder / "conf"


def appended(text: str) -> Callable[[str], str]:
    return lambda old: f"{old}\n{text}\n"


def replaced(old: str, new: str) -> Callable[[str], str]:
    def replace(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return replace


def loaded(conf: Path, env: str = "test", **runtime: Any) -> dict[str, Any]:
    loader = ReadableConfigLoader(str(conf), env=env, runtime_params=runtime, **project.CONFIG_LOADER_ARGS)
    return {kind: loader[kind] for kind in ("parameters", "catalog", "mlflow")}


def told(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1, message
    return message


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
        r"test.parameters.document_000\.yml: hybrid_cifar10: expected a mapping, got a list",
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
    with pytest.raises(RecipeError, match="document_000.yml cannot be read: .*symbolic links"):
        loaded(conf)


@pytest.mark.parametrize("file", [DOCUMENT, OVERLAY, "base/published.yml"])
def test_python_in_yaml_does_not_run(tmp_path, file):
    mark = tmp_path / "ran"
    conf = changed(tmp_path, {file: appended(TAG.format(mark))})
    if file != "base/published.yml":
        with pytest.raises(RecipeError, match="could not determine a constructor for the tag"):
            loaded(conf)
    with pytest.raises(RecipeError, match=r"line \d+, column \d+: could not determine a constructor"):
        experiments._read(conf / file)
    assert not mark.exists()


def test_an_overlay_in_local_is_checked_as_well(tmp_path):
    texts = ("hybrid_cifar10: {training: null}", "hybrid_cifar10: {training: [1]}", "hybrid_cifar10: 3")
    for number, text in enumerate(texts):
        conf = changed(tmp_path / str(number), {"local/parameters.yml": text})
        with pytest.raises(RecipeError, match=r"hybrid_cifar10.*expected a mapping( of settings)?, got") as error:
            Recipe.parse(EXPERIMENT, loaded(conf, "local")["parameters"][EXPERIMENT])
        told(error)


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
        ("metric_sanity: {}\n", "'metric_sanity' cannot be the name of an experiment: .*none of comparison"),
    ],
)
def test_a_wrong_list_of_experiments(tmp_path, text, message):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(RecipeError, match=message) as error:
        experiments.discover(tmp_path)
    assert str(tmp_path / "a.yml") in told(error)


def test_a_name_that_is_no_text_is_no_experiment():
    with pytest.raises(RecipeError, match="unknown experiment 3; known"):
        experiments.refuse_unknown({3: {}})


# ---- numbers and text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["1e-4", "1.0e-4", "0.0001"])
def test_a_small_number_is_a_number_in_files_and_in_params(tmp_path, written):
    file = loaded(changed(tmp_path, {OVERLAY: f"hybrid_cifar10: {{overrides: {{learning_rate: {written}}}}}"}))
    assert file["parameters"][EXPERIMENT]["overrides"]["learning_rate"] == 1e-4
    from kedro.framework.cli.utils import _split_params

    given = _split_params(None, None, f"hybrid_cifar10.overrides.learning_rate={written}")
    assert given[EXPERIMENT]["overrides"]["learning_rate"] == 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"every_epochs": "1e-4"}}, r"every_epochs: .*got '1e-4', which is text: write 1\.0e-4 without"),
        ({"evaluation": {"every_epochs": "5"}}, r"got '5', which is text: write 5 without quotes"),
        (
            {"overrides": {"learning_rate": "1e-4"}},
            r"'learning_rate' of system 'hybrid': .*write 1\.0e-4 without quotes",
        ),
        ({"seed": "3"}, r"seed: .*got '3', which is text: write 3 without quotes"),
        ({"seed": "1e3"}, r"seed: Input should be a valid integer, got '1e3'$"),
        ({"paper": 0}, r"paper: Input should be a valid string, got 0: write it in quotes"),
        ({"seed": True}, r"seed: Input should be a valid integer, got True"),
        ({"training": {"steps": 1, "save_minutes": float("nan")}}, "save_minutes: .*finite number, got nan"),
        ({"training": {"epochs": float("inf")}}, "epochs: .*finite number, got inf"),
        ({"training": {"epochs": 0}}, "epochs: Input should be greater than 0, got 0"),
        ({"training": {"steps": -1}}, "steps: Input should be greater than or equal to 1, got -1"),
        ({"training": [1]}, r"training: expected a mapping of settings, got \[1\]"),
        ({"training": None}, "training: expected a mapping of settings, got None"),
        ({"evaluation": {"domain_classifier": {"widht": 3}}}, "domain_classifier: unknown key 'widht'; did you mean"),
        ({"evaluation": {"quantisation": "down"}}, "'round' or 'truncate', got 'down'"),
        (
            {"overrides": {"r1": -1.0, "loss": "hings"}},
            "'loss'.*'hinge', got 'hings'; .*'r1'.*greater than or equal to 0, got -1.0",
        ),
        ({"overrides": {3: 4}}, "overrides"),
        ({"overrides": ["width"]}, r"overrides: expected a mapping of settings, got \['width'\]"),
        ({"system": "a\nb"}, r"unknown system 'a\\nb'"),
    ],
)
def test_what_was_given_is_said(changes, message):
    base = {"paper": "000", "system": "hybrid", "dataset": "cifar10", "training": {"steps": 1}}
    with pytest.raises(RecipeError, match=message) as error:
        Recipe.parse("mine", base | changes)
    assert told(error).startswith("mine")


# ---- whatever anybody writes -----------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
MODELS: list[type[Strict]] = [Recipe, SanityRecipe, ImagesRecipe, EvaluationRecipe, RetentionRecipe]
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def one_line_or_a_recipe(model: type[Strict], content: Any) -> None:
    try:
        assert isinstance(model.parse("mine", content), model)
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@QUICK
@given(data=st.data())
def test_any_tree_is_a_recipe_or_one_line(model, data):
    keys = st.sampled_from(sorted(model.model_fields)) | st.text(max_size=5)
    one_line_or_a_recipe(model, data.draw(ANYTHING | st.dictionaries(keys, ANYTHING, max_size=6)))


VALID = yaml.safe_load((CONF / DOCUMENT).read_text())[EXPERIMENT] | {"overrides": {"width": 8, "augmentation": "color"}}


def places(tree: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield from ((key, *rest) for rest in places(inner))


def with_another(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    tree = copy.copy(tree)
    tree[place[0]] = with_another(tree[place[0]], place[1:], value)
    return tree


@QUICK
@given(st.sampled_from(list(places(VALID))), ANYTHING)
def test_a_valid_recipe_with_anything_in_one_place_is_a_recipe_or_one_line(place, value):
    one_line_or_a_recipe(Recipe, with_another(VALID, place, value))


TEXT = (CONF / OVERLAY).read_bytes()
CUT = st.tuples(
    st.integers(0, len(TEXT)), st.integers(0, 20), st.binary(max_size=6) | st.sampled_from([b"\t", b": ", b"{"])
)


def spoilt(cut: tuple[int, int, bytes]) -> bytes:
    start, length, instead = cut
    return TEXT[:start] + instead + TEXT[start + length :]


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | CUT.map(spoilt))
def test_any_file_is_a_list_of_experiments_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(content)
    try:
        assert isinstance(experiments._read(path), dict)
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


@settings(QUICK, max_examples=40)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | CUT.map(spoilt))
def test_any_overlay_is_read_or_one_line(tmp_path_factory, content):
    conf = tmp_path_factory.getbasetemp() / "any"
    if not conf.is_dir():
        for name in ("base", "test"):
            (conf / name).mkdir(parents=True)
        (conf / "base" / "parameters.yml").write_text((CONF / DOCUMENT).read_text())
    (conf / "test" / "parameters.yml").write_bytes(content)
    loader = ReadableConfigLoader(str(conf), env="test", **project.CONFIG_LOADER_ARGS)
    try:
        experiments.refuse_unknown(loader["parameters"])
    except RecipeError as error:
        assert len(str(error).splitlines()) == 1, str(error)  # noqa: PT017


# ---- the catalog, the published numbers, the clock -------------------------------------------------------------------


def faults(datasets: dict[str, Any], *inputs: str, output: str | None = None) -> str:
    """What the preflight says of a pipeline that reads and writes these datasets."""
    catalog = DataCatalog(datasets) if not isinstance(next(iter(datasets.values())), dict) else None
    catalog = catalog or DataCatalog.from_config(datasets)
    pipeline = Pipeline([node(lambda *given: None, list(inputs) or None, output, name="a")])
    with pytest.raises(RecipeError) as error:
        preflight(pipeline, catalog)
    return told(error)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "papergan.io.weights.WeihgtsDataset", "filepath": "x"}, "'WeihgtsDataset' not found in 'papergan.io"),
        ({"type": "papergan.io.nowhere.Dataset", "filepath": "x"}, "No module named 'papergan.io.nowhere'"),
        ({"type": "papergan.io.weights.WeightsDataset", "filpath": "x"}, "unexpected keyword argument 'filpath'"),
        ({"type": "papergan.io.weights.WeightsDataset"}, "missing 1 required keyword-only argument: 'filepath'"),
        ({"type": "papergan.io.weights.WeightsDataset", "filepath": 3}, "not int"),
        ({"type": 3}, "must be a class"),
        ({"type": "os.system"}, "must be a class"),
        ({"type": "pickle.PickleDataset", "filepath": "x"}, "a PickleDataset might run code that is in its file"),
        ({"type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset", "dataset": "x"}, "Mlflow"),
    ],
)
def test_a_dataset_that_cannot_be_made_is_named_before_hours_are_spent(entry, message):
    line = faults({"result": entry}, output="result")
    assert message in line
    assert "catalog.yml" in line
    assert "'result'" in line or "result:" in line


PUBLISHED = yaml.safe_load((CONF / "base" / "published.yml").read_text())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "published.yml: published numbers must be documents by name"),
        ({"document_000": 3}, "published.yml: document_000 must be a mapping"),
        (with_another(PUBLISHED, ("document_000", "dataset"), 3), "document_000.dataset"),
        (with_another(PUBLISHED, ("document_000", "table_iv", "metric"), "si"), r"table_iv\.metric"),
        (
            with_another(PUBLISHED, ("document_000", "table_iv", "rows"), [{"row": "A", "value": float("nan")}]),
            r"rows\.0\.value",
        ),
        (
            with_another(
                PUBLISHED,
                ("document_000", "table_iv", "rows"),
                [{"row": "A", "value": 1.0, "experiments": ["wgan_pg_cifar10"]}],
            ),
            "document_000, Table IV, row 'A': unknown experiment 'wgan_pg_cifar10'; did you mean 'wgan_gp_cifar10'",
        ),
    ],
)
def test_published_numbers_are_checked_before_the_run_that_ends_with_them(content, message):
    import re

    assert published_rows(PUBLISHED)
    line = faults({"published": MemoryDataset(content)}, "published")
    assert re.search(message, line), line


def test_a_published_file_that_is_missing_or_broken_is_one_line(tmp_path):
    entry = {"type": "yaml.YAMLDataset", "filepath": str(tmp_path / "published.yml")}
    assert "No such file or directory" in faults({"published": entry}, "published")
    (tmp_path / "published.yml").write_text("a: {}\n\tb")
    assert "published.yml: line 2, column 1: found character" in faults({"published": entry}, "published")


def test_a_clock_that_was_set_back_is_noticed_before_the_run(tmp_path):
    path, now = str(tmp_path / "a.safetensors"), "2026-01-01T00.00.00.000Z"
    make = lambda version: WeightsDataset(filepath=path, version=Version(None, version))  # noqa: E731
    make("2027-01-01T00.00.00.000Z").save(Weights({"a": torch.zeros(2)}))
    line = faults({"mine.generator": make(now)}, output="mine.generator")
    assert "mine.generator: there is a version 2027-01-01T00.00.00.000Z on disk, later than this run" in line
    unharmed = Pipeline([node(lambda: None, None, "mine.generator", name="a")])
    assert preflight(unharmed, DataCatalog({"mine.generator": make("2028-01-01T00.00.00.000Z")})) == []


# ---- systems and images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", systems.names())
@pytest.mark.parametrize(("size", "message"), [(33, "multiple of 8, at least 16, got 33"), (8, "at least 16, got 8")])
def test_images_that_a_system_cannot_make_are_refused(name, size, message):
    with pytest.raises(RecipeError, match=f"'{name}' cannot be built for 3x{size}x{size} images: .*{message}") as error:
        systems.build(name, ImageSpec(3, size), {}, seed=0)
    told(error)


@pytest.mark.parametrize("name", systems.names())
@pytest.mark.parametrize("latent_dim", [10**12, 10**17, 10**30])
def test_a_system_larger_than_any_memory_is_one_line(name, latent_dim):
    with pytest.raises((RecipeError, MemoryShortError), match=f"'{name}'") as error:
        systems.build(name, ImageSpec(3, 32), {"latent_dim": latent_dim}, seed=0)
    assert len(told(error)) < 500


def test_bugs_of_a_system_keep_their_traceback(monkeypatch):
    def broken(images: ImageSpec, **given: Any) -> None:
        torch.zeros(2, 3) @ torch.zeros(2, 3)

    systems.settings_model("dcgan")
    monkeypatch.setattr(systems.find("dcgan"), "build", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        systems.build("dcgan", ImageSpec(3, 32), {}, seed=0)


PIXELS = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
LABELS = torch.arange(8) % 2


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (PIXELS.float(), LABELS, r"uint8 \[N, 1 or 3, S, S\], got torch.float32 \(8, 3, 32, 32\)"),
        (PIXELS[:, :2], LABELS, r"got torch.uint8 \(8, 2, 32, 32\)"),
        (PIXELS[..., :16], LABELS, r"got torch.uint8 \(8, 3, 32, 16\)"),
        (PIXELS[0], LABELS, r"got torch.uint8 \(3, 32, 32\)"),
        (PIXELS, LABELS + 1, r"labels must be 0..1, got 1..2"),
        (PIXELS, LABELS - 1, r"labels must be 0..1, got -1..0"),
        (PIXELS, LABELS[:7], r"labels must be int64 \[8\], got torch.int64 \(7,\)"),
        (PIXELS, LABELS.int(), r"labels must be int64 \[8\], got torch.int32"),
    ],
)
def test_images_that_are_none_are_refused_with_what_was_expected(pixels, labels, message):
    with pytest.raises(DataError, match=message) as error:
        ImageSet("mine/train", pixels, labels, ("a", "b"))
    assert told(error).startswith("mine/train")
    assert ImageSet("mine/train", PIXELS, LABELS, ("a", "b")).spec == ImageSpec(3, 32, 2)


def test_a_batch_of_more_images_than_there_are_is_refused():
    with pytest.raises(DataError, match=r"8 images cannot fill a batch of 9: lower training\.batch_size"):
        Batches(PIXELS, LABELS, batch_size=9, seed=0, device="cpu")


# ---- the whole command -----------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch) -> Iterator[Callable[..., str]]:
    """`kedro <arguments>` in this process, which must fail with one line; gives that line."""
    bootstrap_project(PROJECT)
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
        (("--load-versions", "trian:2026"), "'load_versions' keys [trian] are not found in the catalog"),
    ],
)
def test_names_that_do_not_exist(command, arguments, message):
    assert message in command("run", *arguments)


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
    monkeypatch.setattr(papergan.cli, "_tell_bugs", lambda *error: seen.append(error))
    wrapped = ValueError("Kedro says")
    wrapped.__cause__ = RecipeError("one line")
    for error in (RecipeError("one line"), wrapped):
        sys.excepthook(type(error), error, None)
        assert capsys.readouterr().err == "papergan: one line\n"
    assert sys.excepthook is papergan.cli._tell
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
