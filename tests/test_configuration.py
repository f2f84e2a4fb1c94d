"""What is in conf/: recipes valid in every environment, overlays that only change what they name, no open doors."""

import os
from functools import cache
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

from helpers.project_run import PROJECT
from papergan import settings, systems
from papergan.config import registry
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe
from papergan.config.study import ClaimRecipe, SearchRecipe, StudyRecipe, search_trials, trials_of
from papergan.config.tools import RetentionRecipe
from papergan.errors import RecipeError
from papergan.pipeline_registry import register_pipelines
from papergan.pipelines.experiment.nodes.scorecard import non_default_settings
from papergan.reporting.pros_and_cons import Statement
from papergan.tracking.configuration import MlflowConfiguration, parse, parse_system_metrics

ENVIRONMENTS = ["local", "demo", "test"]


def configuration(environment: str, **runtime) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(PROJECT / "conf"), env=environment, runtime_params=runtime, **settings.CONFIG_LOADER_ARGS
    )


@cache
def parameters_of(environment: str) -> dict[str, Any]:
    return configuration(environment)["parameters"]


@cache
def catalog_and_pipelines() -> tuple[dict[str, Any], dict[str, Pipeline]]:
    return configuration("local")["catalog"], register_pipelines()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_recipe_is_valid(environment):
    parameters = parameters_of(environment)
    for name in registry.discover():
        Recipe.parse(name, parameters[name])
    SanitySettings.parse("metric_sanity", parameters["metric_sanity"])
    ImagesSettings.parse("evaluate_images", parameters["evaluate_images"])
    assert RetentionRecipe.parse("retention", parameters["retention"]) == RetentionRecipe()
    assert set(parameters) == {*registry.discover(), *registry.studies(), *registry.TOOL_PARAMETERS}
    recipes = {name: parameters[name] for name in registry.discover()}
    for name in registry.studies():
        study = StudyRecipe.parse(name, parameters[name])
        assert study.search is not None or trials_of(name, study, recipes)
    assert search_trials("fd_search", SearchRecipe.parse("fd_search", parameters["fd_search"]), recipes)


@pytest.mark.parametrize("experiment", registry.discover())
def test_an_experiment_is_a_valid_recipe_of_its_own(experiment):
    recipe = Recipe.parse(experiment, parameters_of("local")[experiment])
    assert recipe.settings().keys() | systems.ADDED.keys() >= systems.settings_model(recipe.system).model_fields.keys()


def test_notes_name_every_setting_that_differs_from_the_defaults():
    for experiment in registry.discover():
        recipe = Recipe.parse(experiment, parameters_of("local")[experiment])
        known = systems.ADDED | systems.resolve(recipe.system, {})
        notes = " ".join(non_default_settings(recipe))
        differing = {name for name, value in recipe.settings().items() if value != known[name]}
        assert all(f"{name}={recipe.overrides[name]}" in notes for name in differing), experiment


def test_an_overlay_changes_only_what_it_names():
    base, demo = (parameters_of(name)["hybrid_cifar10"] for name in ("local", "demo"))
    assert demo["dataset"] == "synthetic_digits"
    assert demo["system"] == base["system"]
    assert demo["evaluation"]["splits"] == base["evaluation"]["splits"]
    assert parameters_of("demo")["table_iv"] == parameters_of("local")["table_iv"]


def test_the_demo_of_every_experiment_needs_no_data_set_no_download_and_no_weights():
    parameters = parameters_of("demo")
    for experiment in registry.discover():
        recipe = Recipe.parse(experiment, parameters[experiment])
        evaluation = recipe.evaluation.model_dump()
        assert recipe.dataset in {
            "synthetic_shapes",
            "synthetic_digits",
            "fingerprints_synthetic",
            "stacked_synthetic_digits",
            "moving_synthetic_digits",
        }
        assert not [name for name in ("inception", "inception64", "torchvision") if evaluation[name]], experiment
        assert recipe.settings().get("encoder_weights", "none") == "none", experiment


def test_the_demo_leaves_every_component_of_the_hybrid_on_but_the_gradient_penalty():
    """Hinge loss does without one; everything else that the paper names is at work."""
    recipe = Recipe.parse("hybrid_cifar10", parameters_of("demo")["hybrid_cifar10"])
    chosen = recipe.settings()
    for component in ("r1", "feature_matching", "adaptive_mix_weight", "ema_decay"):
        assert chosen[component] > 0, component
    assert chosen["self_attention"]
    assert chosen["spectral_norm"]
    assert chosen["adaptive_mix"] == "plain"
    assert chosen["augmentation"] == "translation"  # digits are neither turned nor coloured


def test_params_reach_the_recipe():
    given = configuration("local", hybrid_cifar10={"training": {"epochs": 3.0}, "overrides": {"r1": 0.0}})["parameters"]
    recipe = Recipe.parse("hybrid_cifar10", given["hybrid_cifar10"])
    assert recipe.training.epochs == 3.0
    assert recipe.training.batch_size == 64
    assert recipe.settings()["r1"] == 0.0


def test_the_ablations_of_the_document_are_the_named_ones():
    parameters = parameters_of("local")
    chosen = {name: Recipe.parse(name, parameters[name]).settings() for name in registry.discover()}
    assert chosen["hybrid_cifar10"]["loss"] == "wasserstein"
    assert chosen["hybrid_logistic"]["loss"] == "non_saturating"
    assert chosen["hybrid_minimax"]["loss"] == "minimax"
    assert chosen["hybrid_logistic"]["gradient_penalty"] == chosen["hybrid_minimax"]["gradient_penalty"] == 0.0
    assert chosen["hybrid_all"] == {**chosen["hybrid_cifar10"], "r1_interval": 1}


def test_emoji_are_a_users_own_where_there_are_some(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path / "here"))
    monkeypatch.setenv("PAPERGAN_DATA", str(tmp_path / "data"))
    assert configuration("local")["parameters"]["dcgan_emoji"]["dataset"] == "emoji_noto"
    (tmp_path / "data/emoji").mkdir(parents=True)
    assert configuration("local")["parameters"]["dcgan_emoji"]["dataset"] == "emoji"


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (StudyRecipe, {"contrasts": []}, "s: 'contrasts' is called 'claims' now"),
        (ClaimRecipe, {"claim": "a", "of": ["b"], "metrics": ["fid"]}, "s: 'of' is called 'treatment' now"),
        (ClaimRecipe, {"claim": "a", "against": ["b"], "metrics": ["fid"]}, "s: 'against' is called 'baseline' now"),
        (ModeStressRecipe, {"contrasts": []}, "s: 'contrasts' is called 'claims' now"),
        (Statement, {"against": []}, "s: 'against' is called 'baseline' now"),
    ],
)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(model, given, message):
    with pytest.raises(RecipeError, match=message):
        model.parse("s", given)


def test_nothing_phones_home_and_nothing_listens_to_the_world():
    assert os.environ["DO_NOT_TRACK"] == "true"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "consent: false" in (PROJECT / ".telemetry").read_text()
    texts = [path.read_text() for path in (PROJECT / "conf").rglob("*.yml")]
    assert not any("0.0.0.0" in text for text in texts)


def mlflow_configuration() -> MlflowConfiguration:
    return MlflowConfiguration.of(parse(configuration("local")["mlflow"]))


def test_mlflow_is_a_file_in_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    assert mlflow_configuration().tracking_uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.delenv("PAPERGAN_WORKSPACE")
    assert mlflow_configuration().tracking_uri == f"sqlite:///{PROJECT}/mlruns/mlflow.db"
    assert mlflow_configuration().untracked == ("comparison",)
    assert mlflow_configuration().interface == "http://127.0.0.1:5000"


def test_mlflow_yml_is_what_kedro_mlflow_reads_and_its_ui_stays_on_this_machine():
    assert parse(configuration("local")["mlflow"]).ui.host == "127.0.0.1"


def test_system_metrics_are_off_and_need_psutil(monkeypatch):
    assert not parse_system_metrics(configuration("local")["mlflow"]).enabled
    assert parse_system_metrics({}) == parse_system_metrics(configuration("local")["mlflow"])
    with pytest.raises(RecipeError, match="unknown key 'enable'; did you mean 'enabled'"):
        parse_system_metrics({"system_metrics": {"enable": True}})
    monkeypatch.setattr("papergan.tracking.configuration.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"needs psutil: pip install 'papergan\[system-metrics\]'"):
        parse_system_metrics({"system_metrics": {"enabled": True}})


def test_a_wrong_mlflow_yml_is_refused():
    with pytest.raises(RecipeError, match=r"mlflow\.yml: server\.mlflow_tracking_url: unknown key"):
        parse({"server": {"mlflow_tracking_url": "sqlite:///x"}})
    with pytest.raises(RecipeError, match=r"must give server\.mlflow_tracking_uri"):
        MlflowConfiguration.of(parse({}))
    right = configuration("local")["mlflow"]
    wrong = right | {"server": {"mlflow_tracking_uri": "sqlit:///x.db"}}
    with pytest.raises(RecipeError, match="unknown kind 'sqlit'; did you mean 'sqlite'"):
        MlflowConfiguration.of(parse(wrong))
    with pytest.raises(RecipeError, match=r"mlflow\.yml: server: expected a mapping.*; ui\.port: .*write it in quotes"):
        parse(right | {"ui": {"port": 5000}, "server": 3})


def mlflow_options(**tracking: object) -> KedroMlflowConfig:
    return parse({"server": {"mlflow_tracking_uri": "sqlite:///x.db"}, "tracking": tracking})


@pytest.mark.parametrize("given", ["files/new", "{workspace}/files/new", "file://{workspace}/files/new"])
def test_the_folder_of_artifacts_may_be_relative_to_the_workspace_or_a_file_address(given, tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    place = {"artifact_location": given.format(workspace=tmp_path)}
    found = MlflowConfiguration.of(mlflow_options(experiment={"create_experiment_kwargs": place}))
    assert found.artifacts == f"{tmp_path}/files/new"


@pytest.mark.parametrize(
    ("tracking", "message"),
    [
        (
            {"experiment": {"create_experiment_kwargs": {"artifact_location": "s3://b/x"}}},
            "folder, got 's3://b/x'",
        ),
        ({"run": {"id": "abc", "name": "mine"}}, "tracking.run.id, tracking.run.name: has no effect in this project"),
        ({"experiment": {"restore_if_deleted": False}}, "tracking.experiment.restore_if_deleted: has no effect"),
        ({"experiment": {"create_experiment_kwargs": {"tags": {"team": "a"}}}}, "kwargs.tags.team: has no effect"),
    ],
)
def test_settings_of_kedro_mlflow_that_papergan_cannot_follow_are_refused(tracking, message):
    with pytest.raises(RecipeError, match=message):
        MlflowConfiguration.of(mlflow_options(**tracking))


@pytest.mark.parametrize("name", ["hybrid_cifar10", "limited_data_study", *registry.TOOLS])
def test_layers_of_the_catalog_go_one_way(name):
    """Kedro-Viz shows no layers where a node goes from a later one to an earlier one."""
    order = ["raw", "primary", "models", "model_input", "reporting"]
    entries, pipelines = catalog_and_pipelines()

    def layer(dataset: str) -> int | None:
        what = dataset.rpartition(".")[2]
        for key in (dataset, f"{{experiment}}.{what}", f"{{study}}.{what}"):
            found = entries.get(key, {}).get("metadata", {}).get("kedro-viz", {}).get("layer")
            if found:
                return order.index(found)
        return None

    for node in pipelines[name].nodes:
        before = [place for one in node.inputs if (place := layer(one)) is not None]
        after = [place for one in node.outputs if (place := layer(one)) is not None]
        names = (node.name, node.inputs, node.outputs)
        handles = {"score_cards", f"{name}.trials"}  # read and written beside the catalog
        if before and after and not handles & set(node.inputs):
            assert max(before) <= min(after), names
