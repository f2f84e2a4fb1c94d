"""The reproductions: cards and tools joined with published numbers, anchors of the Parzen window, what is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
import yaml
from kedro.io import DataCatalog, MemoryDataset

from helpers.project_run import PROJECT, score_card
from papergan.config.checked import TrialPlan
from papergan.config.dirac import Complex, DiracResult
from papergan.config.experiment import Recipe
from papergan.config.grid import GridRecipe
from papergan.config.mode_stress import ModeResult, ModeStressRecipe
from papergan.config.mode_stress import trials_of as mode_trials
from papergan.config.registry import discover
from papergan.config.study import StudyRecipe, trials_of
from papergan.config.tools import ReproductionsRecipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.datasets.trial_results import ExperimentTrialStore, ModeTrialStore
from papergan.errors import RecipeError
from papergan.hooks.study_checks import _check_numbers, check_reproductions
from papergan.metrics.parzen import ParzenScore
from papergan.pipelines import reproductions as nodes
from papergan.reporting.published_results import published_numbers
from papergan.tracking import Tracker

RECIPES = {
    "gan_mnist": yaml.safe_load((PROJECT / "conf/base/parameters/gan_optimisation_review.yml").read_text())["gan_mnist"]
}
NUMBER = {"number": "n", "place": "p", "value": 5.0, "error": 1.0, "precision": 0.1, "protocol": "q"}
PUBLISHED = {
    "goodfellow2014": {"dataset": "mnist", "numbers": [
        NUMBER | {"measured_by": "gan_mnist", "metric": "ms_ssim"},
        NUMBER | {"number": "d", "measured_by": "dirac_gan/r1", "metric": "real_part", "value": -0.5, "error": None},
        NUMBER | {"number": "a", "measured_by": "anchors/k-means", "metric": "parzen_ll_historical", "value": 9.0},
        NUMBER | {"number": "none", "measured_by": "anchors/training images", "metric": "parzen_ll_historical"},
    ]},
}  # fmt: skip


def plan(seeds=(0, 1), **changes):
    recipe = ReproductionsRecipe(paper="theis2016", experiments=("gan_mnist",), seeds=seeds, **changes)
    study = StudyRecipe(paper="theis2016", seeds=seeds, grids={"r": GridRecipe(experiments=("gan_mnist",))})
    return TrialPlan("reproductions", recipe, tuple(trials_of("reproductions", study, RECIPES)))


def card_of(trial, value, *, rules=None, **changes):
    """A card of the whole budget and the recipe's rules, but for what is changed. rules: of them, what is changed."""
    wanted = asdict(trial.recipe.evaluation.rules(trial.seed)) | (rules or {})
    (protocol,) = score_card().protocols
    about = {
        "experiment": "gan_mnist", "recipe_fingerprint": trial.recipe.fingerprint, "seed": trial.seed,
        "final": {"ms_ssim": value, "domain_num_samples": float(wanted["num_samples"])}, "training_seconds": 120.0,
        "epochs": trial.recipe.training.epochs, "steps": 39050,
        "protocols": [asdict(protocol) | wanted],
    }  # fmt: skip
    return score_card(**about | changes)


def points(folder, *finished):
    """A tool on points, and its store with these results, one per seed from 0 on."""
    recipe = ModeStressRecipe.parse(
        "pacgan_points",
        {
            "paper": "lin2018", "system": "gan", "seeds": [0, 1], "levels": {"gan": {}},
            "targets": {"ring": {"kind": "ring", "modes": 8, "scale": 1.0, "deviation": 0.01}},
        },
    )  # fmt: skip
    what = TrialPlan("pacgan_points", recipe, tuple(mode_trials(recipe)))
    store = ModeTrialStore(folder / "points", folder / "work")
    for trial, result in zip(what.trials, finished, strict=False):
        store.keep(trial.key, result)
    return what, store


def test_trials_on_points_stand_for_numbers_by_target_and_level(tmp_path):
    what, store = plan(seeds=(0,)), ExperimentTrialStore(tmp_path / "trials", tmp_path / "checkpoints")
    number = NUMBER | {"measured_by": "pacgan_points/ring/gan", "metric": "modes", "value": 6.3}
    results = [
        ModeResult(
            over_time=[{"step": 120.0, "modes": modes, "high_quality": 0.9}],
            seconds_per_step=0.5,
            provenance={"hardware": "a machine"},
        )
        for modes in (6.0, 6.1)
    ]
    published = {"lin2018": {"dataset": "points", "numbers": [number]}}
    page = nodes.tabulate(what, store, {}, {}, {}, [], *points(tmp_path, *results), published)
    assert "| 6.30 ± 1.00 | 6.05 ± 0.05 | 0, 1 | reproduced | 1.00 |" in page.markdown
    assert "pacgan_points.only=[ring/gan]" in page.markdown


def test_the_page_joins_cards_of_experiments_dirac_gan_and_anchors(tmp_path):
    what, store = plan(), ExperimentTrialStore(tmp_path / "trials", tmp_path / "checkpoints")
    cards = {str(trial.seed): card_of(trial, 4.0 + trial.seed) for trial in what.trials}
    short, twice = {"epochs": 2.0, "steps": 1562}, {"epochs": 100.0, "steps": 78100}
    for name, changes in {
        "shorter": short, "longer": twice, "fewer samples": {"rules": {"num_samples": 1000}},
        "other split": {"rules": {"reference_split": "test"}},
        "other bandwidths": {"rules": {"parzen_bandwidths": (0.2,)}}, "other recipe": {"recipe_fingerprint": "f" * 12},
    }.items():  # fmt: skip
        cards = {name: card_of(what.trials[0], 99.0, **changes)} | cards
    dirac = [
        DiracResult(
            variant="r1", eigenvalues=(Complex(-0.5, -0.1), Complex(-0.5, 0.1)), step_radius=0.9,
            trajectory=((1.0, 1.0), (0.0, 0.0)),
        )
    ]  # fmt: skip
    anchors = {"k-means": {"parzen_ll_historical": 20.0, "parzen_ll_historical_error": 0.5}}
    page = nodes.tabulate(what, store, {}, cards, anchors, dirac, *points(tmp_path), PUBLISHED)
    assert "3 of 4 published numbers measured, of 1 papers; 1 reproduced, of 1 papers" in page.console
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.markdown.splitlines() if line[:1] == "|"]
    header, _, trained, closed, real, missing = rows
    cell = dict(zip(header, trained, strict=True))
    assert (cell["measured"], cell["seeds"], cell["minutes"]) == ("4.50 ± 0.5", "0, 1", "2.00")
    assert dict(zip(header, closed, strict=True))["measured"] == "-0.5"
    assert dict(zip(header, real, strict=True))["measured"] == "20.00 ± 0.5"
    assert [dict(zip(header, row, strict=True))["verdict"] for row in rows[2:]] == [
        "inconclusive", "reproduced", "not reproduced: above", "not measured",  # two seeds, half of 5 apart by chance
    ]  # fmt: skip
    assert missing[1].startswith("none")
    assert "kedro run --pipelines gan_mnist --params gan_mnist.seed=0" in page.markdown
    assert page.csv.count("gan_mnist") == 2


def test_a_run_that_diverged_is_no_number(tmp_path):
    what, store = plan(seeds=(0,)), ExperimentTrialStore(tmp_path / "trials", tmp_path / "checkpoints")
    cards = {"0": card_of(what.trials[0], 4.0, diverged="NaN at step 3", generator_digest=None)}
    assert (
        "0 of 4 published numbers"
        in nodes.tabulate(what, store, {}, cards, {}, [], *points(tmp_path), PUBLISHED).console
    )


@pytest.mark.parametrize(
    ("epochs", "steps", "counts"), [(0.0, 0, True), (3.0, 2343, True), (50.0, 39050, True), (80.0, 62480, False)]
)
def test_a_run_that_was_extended_and_then_diverged_does_not_count(epochs, steps, counts):
    trial = plan(seeds=(0,)).trials[0]
    about = {"diverged": "NaN", "generator_digest": None, "epochs": epochs, "steps": steps}
    assert nodes._is_of(card_of(trial, 4.0, **about), trial) == counts


@pytest.mark.parametrize("kept", [False, True])
def test_a_run_that_did_not_keep_its_likeliest_generator_does_not_count_where_that_is_asked_for(kept):
    evaluation = {"parzen_while_training": True, "parzen_samples": 1000, "parzen_validation": 10}
    recipe = RECIPES["gan_mnist"] | {"validation": 10, "seed": 0}
    recipe["evaluation"] = recipe["evaluation"] | evaluation
    trial = plan(seeds=(0,)).trials[0]
    trial = replace(trial, recipe=Recipe.parse("gan_mnist", recipe))
    card = card_of(trial, 4.0)
    best = {"epoch": 25.0, "step": 19525, **card.final}
    assert nodes._is_of(card_of(trial, 4.0, best_likelihood=best if kept else None), trial) == kept


def test_only_what_has_no_score_card_is_trained(tmp_path, monkeypatch):
    what, store = plan(), ExperimentTrialStore(tmp_path / "trials", tmp_path / "checkpoints")
    wanted = []
    monkeypatch.setattr(nodes, "train_all", lambda workers, trials, *rest: wanted.extend(trials) or {})
    done = {"0": card_of(what.trials[0], 4.0)}
    finished = nodes.train_reproductions(what, None, None, None, store, Tracker(), done)
    assert [trial.seed for trial in wanted] == [1]
    assert list(finished) == ["gan_mnist, seed 1"]
    only = plan(finished_only=True)
    assert nodes.train_reproductions(only, None, None, None, store, Tracker(), done) == {}


def test_anchors_are_of_mnist_without_the_last_10_000_training_images(monkeypatch):
    def anchors(train, validation, test, seed):
        assert (len(train), len(validation), len(test)) == (20, 10_000, 30)
        assert float(train.max()) <= 1.0
        return {"k-means": ParzenScore(3.0, 0.5, 0.2, 2.5)}

    monkeypatch.setattr(nodes, "parzen_anchors", anchors)
    sets = [
        ImageSet(name, torch.full((count, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64))
        for name, count in (("mnist/train", 10_020), ("mnist/test", 30))
    ]
    library = SimpleNamespace(load=lambda name: ImageSplits(*sets))
    assert nodes.measure_anchors(plan(), library) == {
        "k-means": {"parzen_ll_historical": 3.0, "parzen_ll_historical_error": 0.5, "parzen_bandwidth": 0.2}
    }


def test_every_published_number_is_measured_by_something_and_a_wrong_one_is_named():
    base = PROJECT / "conf/base"
    published = yaml.safe_load((base / "published.yml").read_text())
    tools = yaml.safe_load((base / "parameters_tools.yml").read_text())
    recipes = {
        name: entry
        for path in (base / "parameters").glob("*.yml")
        for name, entry in yaml.safe_load(path.read_text()).items()
    }
    given = {f"params:{name}": MemoryDataset(recipes[name]) for name in discover()}
    given |= {f"params:{name}": MemoryDataset(tools[name]) for name in ("dirac_gan", "reproductions", "pacgan_points")}
    assert len(published_numbers(published)) >= 12
    _check_numbers(DataCatalog(given | {"published": MemoryDataset(yaml.safe_load(yaml.safe_dump(published)))}))
    published["theis2016"]["numbers"][0]["measured_by"] = "anchors/kmeans"
    catalog = DataCatalog(given | {"published": MemoryDataset(published), "image_library": MemoryDataset(None)})
    with pytest.raises(
        RecipeError, match=r"theis2016.*nothing is called 'anchors/kmeans'; did you mean 'anchors/k-means'"
    ):
        check_reproductions("reproductions", catalog)
