"""The vector study: trained, resumed to the same bits, scored, packed; refused before anything is trained."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from safetensors.torch import load_file

import papergan
from helpers.project_run import run_here
from papergan.config.vector_study import VectorResult, VectorStudyRecipe, trials_of
from papergan.datasets.trial_results import VectorTrialStore
from papergan.datasets.vector_splits import VectorSplitsDataset
from papergan.errors import Interrupted, RecipeError
from papergan.hooks.study_checks import check_vector_study
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.vectors import results as vector_results
from papergan.studies.vectors.trials import VectorTraining
from papergan.vectors.tables import load_vectors

SMALL = {
    "paper": "gan_optimisation_review", "seeds": [0], "vectors": {"drawn": "two_moons", "train": 60, "test": 30},
    "systems": {
        "tanh": {"system": "gan", "overrides": {"latent_dim": 2, "width": 4, "discriminator_steps": 2}},
        "packed": {
            "system": "pacgan_points", "normalisation": "standard",
            "overrides": {"width": 4, "discriminator_width": 4, "packing": 2},
        },
    },
    "steps": 4, "every_steps": 2, "batch_size": 8, "samples": 30,
}  # fmt: skip


def recipe(**changes):
    return VectorStudyRecipe.parse("vector_study", SMALL | changes)


@pytest.fixture(scope="module")
def rows():
    return load_vectors(recipe().vectors)


def trained(one, rows, stop=lambda: None, checkpoints=None):
    return VectorTraining(one, rows, lambda row: None, checkpoints).run(stop)


@pytest.mark.parametrize("place", ["tanh", "packed"])
def test_a_stopped_trial_goes_on_to_the_same_bits(tmp_path, monkeypatch, rows, place):
    monkeypatch.setattr("papergan.studies.resumable.SECONDS_BETWEEN_SAVES", 0.0)
    one = next(one for one in trials_of(recipe(), rows.digest) if one.place == place)
    store, asked = VectorTrialStore(tmp_path / "trials", tmp_path / "work"), []
    whole = trained(one, rows)

    def at_the_third_step():
        asked.append(None)
        return 15 if len(asked) == 3 else None

    with store.unfinished(one.key) as checkpoints:
        with pytest.raises(Interrupted, match="run again to go on"):
            trained(one, rows, at_the_third_step, checkpoints)
        again = trained(one, rows, checkpoints=checkpoints)
    assert (again.over_time, again.losses, again.scores) == (whole.over_time, whole.losses, whole.scores)
    assert all(torch.equal(again.tensors[key], whole.tensors[key]) for key in whole.tensors)
    store.keep(one.key, again)
    found = store.find(one.key)
    assert found.scores == whole.scores == {key: value for key, value in found.over_time[-1].items() if key != "step"}
    assert torch.equal(found.tensors["rows"], whole.tensors["rows"])


def test_rows_of_another_table_are_another_trial(rows):
    other = load_vectors(recipe(vectors=SMALL["vectors"] | {"seed": 1}).vectors)
    first = trials_of(recipe(), rows.digest)[0]
    assert first.key != trials_of(recipe(), other.digest)[0].key
    assert first.key == trials_of(recipe(description="another"), rows.digest)[0].key
    assert first.key != trials_of(recipe(samples=29), rows.digest)[0].key


def test_vectors_are_stored_with_their_digest(tmp_path, rows):
    dataset = VectorSplitsDataset(filepath=str(tmp_path / "vectors.safetensors"))
    dataset.save(rows)
    assert dataset.load().digest == rows.digest
    assert dataset.load().train.name == "two_moons/train"
    content = bytearray((tmp_path / "vectors.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "vectors.safetensors").write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        dataset.load()


def test_the_table_and_the_figures(tmp_path, rows):
    what, store = recipe(seeds=[0, 1]), VectorTrialStore(tmp_path, tmp_path / "work")
    first = trials_of(what, rows.digest)[0]
    store.keep(first.key, trained(first, rows))
    groups = grouped(NamedGroup, trials_of(what, rows.digest), store)
    lines = vector_results.baselines(what, rows)
    table = vector_results.summary(groups, lines)
    assert table["system"].tolist() == ["training rows", "Gaussian", "columns independent", "tanh", "packed"]
    assert table["flags"].tolist()[3:] == ["not done yet: seeds 1", "not done yet: seeds 0, 1"]
    assert float(table["Fréchet distance"][0]) < float(table["Fréchet distance"][3])
    shown = vector_results.rows_shown(groups, rows)
    assert list(shown) == ["test rows", "tanh"]
    assert len(vector_results.scatter(shown, rows.train.columns, "title").axes) == 2
    assert vector_results.over_time(groups, lines, "title").axes[0].lines[-1].get_label() == "training rows"
    one_column = {"test rows": rows.test.values[:, :1], "tanh": rows.test.values[:, :1]}
    assert len(vector_results.scatter(one_column, ("x",), "title").axes[0].patches) == 40


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ((0.60, 0.62), "holds"),
        ((0.80, 0.60), "not significant"),
        ((0.99, 0.98), "reversed"),
        ((0.6,), "one seed: unknown"),
    ],
)
def test_a_system_that_beats_both_baselines_is_told(tmp_path, rows, accuracies, said):
    what = recipe(seeds=list(range(len(accuracies))))
    store = VectorTrialStore(tmp_path, tmp_path / "work")
    for one, accuracy in zip(trials_of(what, rows.digest)[::2], accuracies, strict=True):
        store.keep(one.key, VectorResult(over_time=[{"step": 1.0}], scores={"two_sample_accuracy": accuracy}))
    lines = {name: {"two_sample_accuracy": value} for name, value in (("Gaussian", 0.9), ("columns independent", 0.8))}
    table = vector_results.summary(grouped(NamedGroup, trials_of(what, rows.digest), store), lines)
    assert table["beats both"].tolist() == ["", "", said, ""]


def catalog(**changes):
    return DataCatalog({"params:vector_study": MemoryDataset(SMALL | changes)})


def refused(why, **changes):
    with pytest.raises((RecipeError, ValueError), match=why) as caught:
        check_vector_study("vector_study", catalog(**changes))
    assert "\n" not in str(caught.value)


def test_bad_input_is_refused_before_training(tmp_path):
    def system(**changes):
        return {"systems": {"mine": SMALL["systems"]["tanh"] | changes}}

    assert len(check_vector_study("vector_study", catalog()).trials) == 2
    refused("vector_study.systems.mine: unknown system 'gam'; did you mean 'gan'", **system(system="gam"))
    refused("vector_study.systems.mine: .*wdth", **system(overrides={"wdth": 4}))
    refused("ends in tanh: leave normalisation at 'range'", **system(normalisation="standard"))
    refused("vector_study.systems.mine: ", **system(system="dcgan", overrides={}))
    refused("vector_study.systems.mine: ", **system(system="pix2pix", overrides={}))
    refused("vector_study.systems.mine: ", **system(system="r3gan", overrides={}))
    refused("cannot be augmented", **system(overrides={"width": 4, "adaptive_augmentation": "bgc"}))
    refused("vector_study.vectors.table: .*none.csv", vectors={"table": str(tmp_path / "none.csv")})
    path = tmp_path / "rows.csv"
    pd.DataFrame({"a": ["x", "y"]}).to_csv(path, index=False)
    refused("vector_study.vectors.table: .* has no column of numbers", vectors={"table": str(path)})


def test_the_pipeline_on_a_table_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    path, draw = tmp_path / "mine.parquet", torch.Generator().manual_seed(0)
    pd.DataFrame(torch.rand(120, 4, generator=draw).numpy(), columns=list("abcd")).to_parquet(path)
    run_here("vector_study", params={"vector_study": {"vectors": {"table": str(path)}}})
    folder = tmp_path / "data/08_reporting/vector_study"
    page = (folder / "table/table.md").read_text()
    assert "## mine" in page
    assert "96 training and 24 test rows (mine/train, mine/test), columns a, b, c, d" in page
    assert "| packed_maxout |" in page
    assert {path.name for path in folder.glob("*.png")} == {"rows.png", "over_time.png"}
    model = papergan.load(tmp_path / "data/06_models/vector_study/models/wgan_gp")
    assert model.sample(3).columns == ("a", "b", "c", "d")
    shown = [load_file(path)["rows"] for path in folder.glob("trials/*.safetensors")]
    assert any(torch.allclose(model.sample(5, seed=0).values, rows[:5]) for rows in shown)  # as it was scored


def test_a_trial_that_diverged_before_its_first_measurement_has_no_curve(tmp_path, rows):
    what, store = recipe(), VectorTrialStore(tmp_path, tmp_path / "work")
    done = [{"step": 0.0, "frechet": 1.0, "coverage": 0.0}]
    for one in trials_of(what, rows.digest):
        ended = {"over_time": done} if one.place == "tanh" else {"diverged": "diverged at generated rows"}
        store.keep(one.key, VectorResult(**ended))
    groups = grouped(NamedGroup, trials_of(what, rows.digest), store)
    figure = vector_results.over_time(groups, vector_results.baselines(what, rows), "title")
    drawn = {line.get_label(): len(line.get_xdata()) for line in figure.axes[0].lines}
    assert drawn == {"tanh": 1, "packed": 0, "training rows": 2}
