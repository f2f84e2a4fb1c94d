"""Experiments and studies of one's own, in conf/local or in another project's conf."""

from __future__ import annotations

import shutil

import pytest

from helpers.project_run import PROJECT, command_here
from papergan import settings
from papergan.config import registry
from papergan.errors import RecipeError
from papergan.hooks.config_loader import ReadableConfigLoader

MINE = "mine: {paper: zhao2020, description: my cats, system: dcgan, dataset: cats, training: {steps: 3}}\n"
STUDY = "sweep: {paper: zhao2020, grids: {all: {experiments: [mine]}}}\n"


@pytest.fixture(autouse=True)
def configuration_of_the_project():
    yield
    registry.use()


@pytest.fixture
def conf(tmp_path):
    """A copy of the project's conf/base with an empty conf/local."""
    shutil.copytree(PROJECT / "conf" / "base", tmp_path / "conf" / "base")
    (tmp_path / "conf" / "local").mkdir()
    return tmp_path / "conf"


def write(conf, text: str, file: str = "local/parameters.yml"):
    path = conf / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    registry.use(conf)


@pytest.mark.parametrize(
    "file",
    ["local/parameters.yml", "local/parameters_cats.yml", "local/parameters/a/b.yml", "base/parameters_mine.yml"],
)
def test_an_entry_that_the_project_does_not_have_is_an_experiment(conf, file):
    write(conf, MINE + STUDY, file)
    assert registry.discover()["mine"].description == "my cats"
    assert next(iter(registry.discover())) == "hybrid_cifar10"
    assert "sweep" in registry.studies()
    assert "sweep" not in registry.discover()
    registry.refuse_unknown({"mine": {}, "sweep": {}, "hybrid_cifar10": {}})


def test_of_another_environment_only_where_that_is_run(conf):
    write(conf, MINE, "cats/parameters.yml")
    assert "mine" not in registry.discover()
    assert registry.use(conf, "cats")
    assert "mine" in registry.discover()
    assert registry.environments_with("mine") == ["cats"]


def test_an_entry_of_the_project_is_changed_and_not_added(conf):
    registry.use(conf)
    before = list(registry.discover())
    write(conf, "hybrid_cifar10: {dataset: mnist, training: {epochs: 3.0}}\nreal: null\n")
    assert list(registry.discover()) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MINE.replace("mine", "dcgan_64"),
            "there is an experiment 'dcgan_64' in conf/base already; give yours another",
        ),
        (MINE.replace("mine", "my-cats"), "'my-cats' cannot be the name of an experiment: letters, digits and _"),
        (STUDY.replace("sweep", "my-sweep"), "'my-sweep' cannot be the name of a study"),
        ("- mine\n", "expected a mapping of names to recipes"),
        ("mine: [\n", "parameters.yml cannot be read: line 2"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file(conf, text, message):
    write(conf, text)
    with pytest.raises(RecipeError, match=message) as caught:
        registry.studies()
    assert "local/parameters.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_in_two_files(conf):
    write(conf, MINE)
    write(conf, MINE, "local/parameters_two.yml")
    with pytest.raises(RecipeError, match=r"parameters_two.yml: 'mine' is defined in .*parameters.yml as well"):
        registry.discover()


@pytest.mark.parametrize("file", ["local/parameters.yml", "base/parameters_mine.yml", "base/parameters/mine.yml"])
def test_a_name_that_begins_with_an_underscore_is_a_template_for_others(conf, file):
    template = "_cats: &cats {paper: zhao2020, system: dcgan, dataset: cats, training: {steps: 3}}\n"
    write(conf, f"{template}mine: {{<<: *cats, seed: 1}}\n", file)
    assert {"_cats", "mine"} & registry.discover().keys() == {"mine"}
    registry.refuse_unknown(
        read := ReadableConfigLoader(conf, env="local", **settings.CONFIG_LOADER_ARGS)["parameters"]
    )
    assert {"_cats", "mine"} & read.keys() == {"mine"}
    given = {"_cats": {"seed": 3}}
    loader = ReadableConfigLoader(conf, env="local", runtime_params=given, **settings.CONFIG_LOADER_ARGS)
    with pytest.raises(RecipeError, match="unknown experiment '_cats'"):
        registry.refuse_unknown(loader["parameters"])


def test_an_entry_that_is_neither_is_unknown(conf):
    write(conf, "dcgan_46: {training: {steps: 3}}\n")
    assert "dcgan_46" not in registry.discover()
    with pytest.raises(RecipeError, match="unknown experiment 'dcgan_46'; did you mean 'dcgan_64'"):
        registry.refuse_unknown({"dcgan_46": {}})


# ---- by the command --------------------------------------------------------------------------------------------------


def kedro_run(conf, *arguments: str):
    return command_here("run", "--conf-source", str(conf), *arguments)


@pytest.fixture
def cats(conf, tmp_path, monkeypatch):
    """A local catalog that adds a data set alone, and a local experiment on it."""
    import numpy as np
    from PIL import Image

    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.chdir(PROJECT)
    for number in range(12):
        (tmp_path / "photos").mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    added = f"image_library: {{datasets: {{cats: {{kind: images, source: {tmp_path}/photos, size: 16}}}}}}\n"
    (conf / "local" / "catalog.yml").write_text(added)
    recipe = MINE.replace(
        "training: {steps: 3}", "image_size: 16, overrides: {width: 4}, training: {steps: 3, batch_size: 4}, "
        "evaluation: {inception: false}"
    )  # fmt: skip
    write(conf, recipe)
    return conf


def test_a_local_experiment_runs_on_a_local_data_set(cats):
    done = kedro_run(cats, "--pipelines", "mine", "--to-nodes", "model.mine.build_model")
    assert done.exit_code == 0, done.output
    pointers = list((cats.parent / "workspace").rglob("images.json"))
    assert [path.parent.name for path in pointers] == ["mine"]
    assert "cats/train" in pointers[0].read_text()


def test_any_experiment_takes_a_folder(cats):
    changes = (
        f"dcgan_cifar10.dataset={cats.parent}/photos,dcgan_cifar10.image_size=16,dcgan_cifar10.overrides.width=4,"
        "dcgan_cifar10.training.batch_size=4,dcgan_cifar10.images.mode=L,dcgan_cifar10.evaluation.inception=false"
    )
    nodes = ("--to-nodes", "ingestion.dcgan_cifar10.normalise")
    done = kedro_run(cats, "--pipelines", "dcgan_cifar10", "--params", changes, *nodes)
    assert done.exit_code == 0, done.output
    (pointer,) = (cats.parent / "workspace").rglob("images.json")
    assert '"photos/train"' in pointer.read_text()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (("system", "sytem"), ("--pipelines", "mine"), "mine: unknown key 'sytem'; did you mean 'system'?"),
        (("", ""), ("--pipelines", "min"), "unknown pipeline 'min'; did you mean 'mine'?"),
        (("", ""), ("--pipelines", "zzzzzzzz"), "unknown pipeline 'zzzzzzzz'; `kedro run` lists what there is"),
        (("", ""), ("--pipelines", "mine", "--env", "base"), "'mine': it is in conf/local; run it with --env local"),
        (
            ("", ""),
            ("--pipelines", "mine", "--params", "training.epochs=3,seed=1"),
            "need the name of its experiment: --params mine.training.epochs=3,mine.seed=1",
        ),
        (("", ""), ("--pipelines", "mine", "--params", "teacher=x"), "recipe need the name of its experiment"),
        (("", ""), ("--pipelines", "dcgan_64"), "dcgan_64.dataset: there is no folder or file"),
        (
            ("", ""),
            ("--pipelines", "dcgan_64"),
            "name yours, a folder, a .zip or .parquet file: --params dcgan_64.dataset=PATH",
        ),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line(cats, change, arguments, message):
    path = cats / "local" / "parameters.yml"
    path.write_text(path.read_text().replace(*change) if change[0] else path.read_text())
    done = kedro_run(cats, *arguments)
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("papergan: ")]
    assert message in line
