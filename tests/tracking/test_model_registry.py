"""Generators in MLflow: registered, the best of one protocol under an alias, loaded without a pickle."""

import base64
import io

import pytest
from PIL import Image

mlflow = pytest.importorskip("mlflow")

import papergan  # noqa: E402
from helpers.project_run import PROJECT  # noqa: E402
from inference.conftest import model_of  # noqa: E402 - after the skip
from papergan.inference.model_folder import write_model  # noqa: E402
from papergan.tracking.model_registry import log_generator  # noqa: E402


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Three versions of one protocol, and one of another, with the client that logged them."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    group = client.create_experiment("group", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(group).info.run_id
    write_model(folder / "model", model_of("dcgan_labels"))
    assert not (PROJECT / "mlruns/0/models").exists()
    for value, protocol in ((12.0, "a"), (9.0, "a"), (20.0, "a"), (1.0, "b")):
        metrics, tags = {"domain_fid": value}, {"protocol": protocol}
        log_generator(client, run, folder / "model", name="dcgan_labels", metrics=metrics, tags=tags)
    return folder, uri, client, run


def test_the_alias_is_at_the_best_of_its_protocol(logged):
    _, _, client, _ = logged
    assert client.get_model_version_by_alias("dcgan_labels", "best_domain_fid").tags["domain_fid"] == "9.0"
    assert client.get_model_version("dcgan_labels", "4").tags["domain_fid"] == "1.0"


def test_nothing_of_it_is_a_pickle(logged):
    folder, *_ = logged
    found = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    assert len([path for path in found if path.name == "MLmodel"]) == 4  # in the experiment of their run
    assert not (PROJECT / "mlruns/0/models").exists()
    assert not [path for path in found if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]


def test_it_answers_with_pngs_and_refuses_in_one_line(logged, monkeypatch):
    _, uri, _, _ = logged
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model("models:/dcgan_labels@best_domain_fid")
    answer = model.predict({"n": [2, 1], "label": ["cat", None]}, params={"seed": 3})
    assert list(answer["label"])[:2] == ["cat", "cat"]
    with Image.open(io.BytesIO(base64.b64decode(answer["png"][0]))) as picture:
        assert picture.size == (16, 16)
        assert picture.text.keys() == {"Description", "Software", "Model"}  # as the model card says of PNG files
    with pytest.raises(Exception, match="unknown class 'cta'; did you mean 'cat'"):
        model.predict({"n": [1], "label": ["cta"]})
    with pytest.raises(Exception, match="at most 1000 samples"):
        model.predict({"n": [2000], "label": [None]})
    with pytest.raises(Exception, match="n of 1 or more"):
        model.predict({"n": [1000000, -1000000], "label": [None, None]})


def test_papergan_loads_it_by_alias_and_by_run(logged, monkeypatch):
    _, uri, _, run = logged
    mlflow.set_tracking_uri(uri)
    digest = papergan.load("models:/dcgan_labels@best_domain_fid").digest
    assert papergan.load(f"runs:/{run}").digest == digest
    with pytest.raises(papergan.errors.CheckpointError, match="MLflow has no such model"):
        papergan.load("models:/dcgan_labels@worst")


def test_without_an_address_the_workspaces_store_is_read_and_none_is_made(logged, tmp_path, monkeypatch):
    folder, *_ = logged
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        papergan.errors.CheckpointError, match="there is no MLflow store .*mlruns/mlflow.db; name yours"
    ):
        papergan.load("models:/dcgan_labels@best_domain_fid")
    assert not list(tmp_path.iterdir())
    (tmp_path / "mlruns").symlink_to(folder)
    assert papergan.load("models:/dcgan_labels@best_domain_fid").digest == model_of("dcgan_labels").config["digest"]
    assert not mlflow.is_tracking_uri_set()
