"""Stored models: everything they were built from is in them, and one flipped bit is noticed."""

import json
import random
import shutil
import subprocess
import sys

import pytest
import torch

import papergan
from papergan.errors import CheckpointError, PaperganError, RecipeError
from papergan.inference.model_folder import CARD, CONFIG, FORMAT, WEIGHTS, read_model

ALONE = {
    "kedro",
    "kedro_datasets",
    "mlflow",
    "pandas",
    "scipy",
    "matplotlib",
    "pyarrow",
    "torchvision",
    "torch_fidelity",
}


@pytest.fixture
def folder(folder_of, tmp_path):
    return shutil.copytree(folder_of("dcgan"), tmp_path / "model")


def test_the_weights_alone_are_a_model(folder):
    whole, alone = papergan.load(folder), papergan.load(folder / WEIGHTS)
    assert torch.equal(whole.sample(2).tensor, alone.sample(2).tensor)


def test_a_device_that_is_not_there_is_one_line(folder, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RecipeError, match="^device 'cuda': torch sees no GPU"):
        papergan.load(folder, "cuda")


def test_defaults_are_stored_as_well(folder):
    settings = json.loads((folder / CONFIG).read_text())["settings"]
    assert settings["beta1"] == 0.5  # nobody overrode it


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD])
def test_flipped_bits_are_noticed(name, folder):
    content = (folder / name).read_bytes()
    draw = random.Random(0)
    places = range(len(content)) if len(content) < 2000 else sorted(draw.sample(range(len(content)), 150))
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << draw.randrange(8)
        (folder / name).write_bytes(damaged)
        with pytest.raises(PaperganError):
            read_model(folder)
        if name == WEIGHTS:
            with pytest.raises(PaperganError):
                read_model(folder / WEIGHTS)


def test_an_empty_or_longer_card_is_noticed(folder):
    (folder / CARD).write_text("Best model of all times.")
    with pytest.raises(CheckpointError, match=r"README.md is damaged"):
        papergan.load(folder)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD])
def test_what_is_missing_is_named(name, folder):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}.* does not exist"):
        papergan.load(folder)


def test_a_newer_format_says_what_to_do(folder):
    config = json.loads((folder / CONFIG).read_text())
    config.pop("sha256")
    config |= {"format": FORMAT + 1, "papergan": "9.1"}
    from papergan.inference.model_folder import _digest

    (folder / CONFIG).write_text(json.dumps({**config, "sha256": _digest(config)}))
    with pytest.raises(CheckpointError, match=r"written by papergan '9.1'.*install a newer papergan"):
        papergan.load(folder)


class TestWhereAModelIs:
    def test_an_experiments_folder_gives_its_newest(self, folder, tmp_path):
        for version in ("2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"):
            shutil.copytree(folder, tmp_path / "experiment/model" / version / "model")
        from papergan.inference.locate import locate

        assert locate(tmp_path / "experiment").parts[-2] == "2026-02-01T00.00.00.000Z"
        assert papergan.load(str(tmp_path / "experiment")).system == "dcgan"

    @pytest.mark.parametrize(
        ("source", "error", "message"),
        [
            ("nowhere", CheckpointError, "does not exist"),
            ("s3://bucket/model", RecipeError, "is not a place of a model"),
            (".", CheckpointError, "has no model in it"),
        ],
    )
    def test_anything_else_is_refused(self, source, error, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(error, match=message):
            papergan.load(source)

    def test_a_generator_of_the_pipeline_is_no_model(self, tmp_path):
        from papergan.weights import Weights, encode

        (tmp_path / "generator.safetensors").write_bytes(encode(Weights({"a": torch.zeros(1)})))
        with pytest.raises(CheckpointError, match="has no configuration in it"):
            papergan.load(tmp_path / "generator.safetensors")


def test_it_loads_and_samples_without_kedro_mlflow_and_everything_else_of_a_pipeline(folder):
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(ALONE)!r})); import papergan; "
        f"g = papergan.load({str(folder)!r}); out = g.sample(3); out.pil(); out.grid().png(); "
        "print(out.images.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(3, 16, 16, 3)", done.stderr
