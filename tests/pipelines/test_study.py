"""A study by itself: trials are finished once, interruptions cost nothing, tables say what the numbers say."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from statistics import geometric_mean

import pytest
from kedro.io import DataCatalog, MemoryDataset

from papergan.config.checked import Study, TrialPlan
from papergan.config.study import ClaimRecipe, StudyRecipe, trials_of
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.errors import CheckpointError, Interrupted, PaperganError, RecipeError
from papergan.hooks.study_checks import _check_tables
from papergan.hooks.summary import DivergenceHook
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines import study
from papergan.pipelines.experiment.nodes import training
from papergan.reporting.published_results import PublishedRow
from papergan.studies import figures
from papergan.studies.claims import claim_results, claim_sentences
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.measures import fid_on_the_way, player_losses, spread_of_loss
from papergan.studies.runner import run_trials
from papergan.studies.seed_groups import ExperimentGroup, grouped, groups_by_table
from papergan.studies.tables import measures_of, summary
from papergan.tracking import Tracker
from pipelines.test_experiment import GIVEN, played, shapes

NAME = "limited_data_study"
RECIPES = {
    "plain": GIVEN | {"paper": "song2023", "overrides": {"width": 4, "latent_dim": 4}},
    "mixed": GIVEN | {"paper": "song2023", "system": "deligan", "overrides": {"width": 4, "latent_dim": 4}},
}
RECIPE = {
    "paper": "song2023", "seeds": [0, 1], "description": "tiny", "common": {"training": {"steps": 3}},
    "grids": {
        "table_1": {
            "experiments": ["plain", "mixed"],
            "factors": {"rate": {"own": {}, "wild": {"overrides": {"learning_rate": 1e9}}}},
        },
        "again": {"experiments": ["plain"], "factors": {}},
    },
    "claims": [
        {"claim": "mixtures help", "treatment": ["mixed"], "baseline": ["plain"], "metrics": ["fid", "recall"]},
        {"claim": "wild is better", "treatment": ["wild"], "baseline": ["own"], "metrics": ["fid"]},
    ],
}  # fmt: skip
PUBLISHED = {
    "song2023": {
        "dataset": "synthetic_shapes",
        "table_1_fid": {
            "metric": "fid", "caption": "c",
            "rows": [
                {"row": "DCGAN", "value": 4.0, "std": 1.0, "experiments": ["plain"], "note": "odd"},
                {"row": "DeLiGAN", "value": 3.0, "experiments": ["mixed"]},
            ],
        },
    }
}  # fmt: skip
PRO = {
    "table": 1, "loss": ["wild"], "side": "pro", "statement": "Fast", "property": "cost", "baseline": ["own"],
}  # fmt: skip


class Listener(Tracker):
    """Who was told of which trial."""

    def __init__(self) -> None:
        self.trials, self.cards = [], []

    @contextmanager
    def nested(self, name, parameters, tags):
        self.trials.append((name, dict(tags)))
        yield self

    def scores(self, card):
        self.cards.append(card)


def the_study(**changes) -> Study:
    recipe = StudyRecipe.parse(NAME, RECIPE | changes)
    return TrialPlan(NAME, recipe, tuple(trials_of(NAME, recipe, RECIPES)))


def store(folder) -> ExperimentTrialStore:
    return ExperimentTrialStore(folder / "trials", folder / "checkpoints")


def run(folder, listener, **changes):
    inputs = {
        "image_library": shapes(folder), "feature_cache": FeatureCache(folder / "rulers"),
        "model_library": ModelLibrary(folder / "models"), f"{NAME}.tracker": listener,
        f"params:{NAME}": the_study(**changes), f"{NAME}.trials": store(folder),
        "published": PUBLISHED,
        "pros_and_cons": {"song2023": [PRO]},
    }  # fmt: skip
    return played(study.create_pipeline(NAME), inputs)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder, listener = tmp_path_factory.mktemp("study"), Listener()
    return folder, listener, run(folder, listener)


def test_every_cell_is_played_once_and_told_in_a_run_of_its_own(finished):
    _, listener, catalog = finished
    names = [name for name, _ in listener.trials]
    assert len(names) == 2 * 2 * 2 == len(set(names))  # `again` has the same recipe as plain/own
    name, tags = listener.trials[0]
    assert name == "plain/own/seed 0"
    assert tags.items() >= {"grid": "table_1", "rate": "own", "dataset": "synthetic_shapes"}.items()
    assert len(catalog.load(f"{NAME}.finished")) == 10
    assert list(map(len, catalog.load(f"{NAME}.subsets").values())) == [100]
    assert [card.seed for card in listener.cards] == [0] * 4 + [1] * 4


def test_a_cell_that_diverges_has_that_for_a_result_and_the_others_go_on(finished):
    folder, listener, catalog = finished
    diverged = [card.experiment for card in listener.cards if card.diverged]
    assert set(diverged) == {"plain/wild", "mixed/wild"}
    page = catalog.load(f"{NAME}.study_table")
    assert "diverged at step" in page.markdown
    results = store(folder)
    wild = next(trial for trial in the_study().trials if trial.name == "plain/wild")
    assert results.find(wild.key).samples is None


def test_checkpoints_go_when_a_cell_is_done(finished):
    folder, _, _ = finished
    assert not list((folder / "checkpoints").rglob("step-*"))


def test_nothing_is_played_again(finished):
    folder, _, before = finished
    listener = Listener()
    catalog = run(folder, listener)
    assert listener.trials == []
    assert catalog.load(f"{NAME}.study_table").csv == before.load(f"{NAME}.study_table").csv


def test_the_table_has_published_numbers_beside_means_over_seeds(finished):
    _, _, catalog = finished
    page = catalog.load(f"{NAME}.study_table")
    lines = page.markdown.splitlines()
    heading = next(line for line in lines if line.startswith("| row | experiment | rate"))
    assert "published FID" in heading
    assert "domain_fid@100v100-train" in heading
    plain = next(line for line in lines if line.startswith("| DCGAN | plain | own"))
    assert "| 4.00 ± 1.00 |" in plain
    assert "| 0, 1 |" in plain
    assert plain.count("±") > 5
    wild = next(line for line in lines if line.startswith("|  | plain | wild"))
    assert "4.00 ± 1.00" not in wild
    assert "Table 1 FID, DCGAN: odd" in page.markdown
    assert "commit" in page.markdown


def test_the_csv_has_one_line_per_cell_with_every_number(finished):
    _, _, catalog = finished
    header, *rows = catalog.load(f"{NAME}.study_table").csv.splitlines()
    assert len(rows) == 10
    expected = {"grid", "experiment", "rate", "seed", "domain_recall", "data", "commit", "sampling_seconds"}
    assert expected | {"best_fid.domain_fid", "best_fid.epoch", "best_is.domain_is_mean"} <= set(header.split(","))


def test_pros_and_cons_stand_below_where_the_study_has_their_levels(finished):
    _, _, catalog = finished
    page = catalog.load(f"{NAME}.study_table").markdown
    assert "Pros and cons, table_1" in page
    assert "Pros and cons, again" not in page


def test_a_row_has_its_name_its_cost_and_what_is_to_be_known_of_its_published_number(finished):
    folder, _, _ = finished
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    published = [
        PublishedRow(
            "song2023",
            "Table 1",
            "synthetic_shapes",
            "fid",
            "DCGAN",
            4.0,
            note="odd",
            source="elsewhere",
            experiments=("plain",),
        )
    ]
    table = summary([group for group in groups if group.grid == "table_1"], published)
    own = table[(table["experiment"] == "plain") & (table["rate"] == "own")].iloc[0]
    assert (own["row"], own["note"], own["published FID"]) == ("DCGAN", "odd; from elsewhere", "4.00")
    assert float(own["images seen"].split()[0]) == 3 * 16
    assert set(table["sampling"]) >= {"1.00x"}
    assert float(own["sampling ms"]) > 0
    best = [card.best_fid for group in groups for card in group.seeds.finished if group.name == "plain/own"]
    shown = own["best domain_fid@100v100-train"]
    assert shown.startswith(f"{sum(one.metrics['domain_fid'] for one in best) / len(best):.1f}"[:4])
    assert shown.endswith(f"@ {', '.join(f'{one.epoch:g}' for one in best)}")
    bare = summary([group for group in groups if group.grid == "table_1"], [])
    assert not [name for name in bare if name.startswith("best ")]
    assert not table[table["rate"] == "wild"]["row"].any()


def test_published_tables_that_do_not_exist_are_refused():
    catalog = DataCatalog({"published": MemoryDataset(PUBLISHED)})
    study = StudyRecipe.parse(NAME, RECIPE | {"tables": ["Table 1 FIDD"]})
    with pytest.raises(RecipeError, match="has no 'Table 1 FIDD'; did you mean 'Table 1 FID'"):
        _check_tables(NAME, study, catalog)
    _check_tables(NAME, StudyRecipe.parse(NAME, RECIPE | {"tables": ["Table 1 FID"]}), catalog)


def test_claims_are_sentences_with_counts(finished):
    _, _, catalog = finished
    page = catalog.load(f"{NAME}.study_table")
    assert "## Claims" in page.markdown
    told = [line for line in page.console.splitlines() if line.startswith("mixtures help: by fid ")]
    assert len(told) == 1
    assert "by recall" in told[0]


def test_what_cannot_be_compared_since_a_side_never_ended_is_counted_as_that(finished):
    folder, _, catalog = finished
    page = catalog.load(f"{NAME}.study_table")
    assert "wild is better: by fid a side diverged with every seed in 2 of 2" in page.console
    (row,) = [line for line in page.markdown.splitlines() if "wild is better" in line and "plain/wild" in line]
    assert "| a side diverged with every seed |" in row
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    results = claim_results(the_study().recipe.claims[1:], groups, [])
    assert [result.change for result in results] == [None, None]
    for group in groups:
        object.__setattr__(group, "missing", (7,))
    assert claim_results(the_study().recipe.claims[1:], groups, []) == []  # a seed may still come to an end


def test_pictures_have_a_panel_per_row(finished):
    _, _, catalog = finished
    assert len(catalog.load(f"{NAME}.study_losses").axes) == 5
    assert len(catalog.load(f"{NAME}.study_samples").axes) == 5
    near = catalog.load(f"{NAME}.study_neighbours").axes
    assert [len(axes.images) for axes in near] == [1, 0, 1, 0, 1]  # those between them diverged
    titles = [axes.get_title() for axes in catalog.load(f"{NAME}.study_scores").axes]
    assert "table_1, synthetic_shapes/train[:100]: domain_fid" in titles


def test_every_extractor_and_the_accuracy_have_a_panel_over_time_and_every_row_is_in_the_legend(finished):
    """Nine metrics where Inception and the data set's own classifier measure; the last panel has not every row's."""
    folder, _, _ = finished
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    groups = [group for group in groups if group.grid == "table_1"]
    for group in groups:
        for result in group.results:
            for row in result.history.metrics:
                row |= {name.removeprefix("domain_"): value for name, value in row.items() if "domain_" in name}
                if group.trial.experiment == "mixed":
                    row.pop("discriminator_accuracy_midpoint", None)
    figure = figures.scores(groups, "over time")
    names = [axes.get_title().split(": ")[1] for axes in figure.axes]
    assert {"fid", "domain_fid", "coverage", "domain_coverage", "discriminator_accuracy_midpoint"} <= set(names)
    told = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert {"plain/own", "mixed/own"} <= set(told)


def test_a_table_made_on_several_machines_names_them_all(finished):
    folder, _, _ = finished
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    first = groups[0].results[0]
    moved = replace(first, card=first.card.model_copy(update={"hardware": "elsewhere"}))
    groups[0] = replace(groups[0], done=((0, moved), *groups[0].done[1:]))
    notes = study._notes(the_study(), groups, [], {})
    assert sum("; commit " in note for note in notes) == 2


def test_an_interrupted_study_goes_on_where_it_was(tmp_path, monkeypatch):
    train, calls = training.train, []

    def interrupted(*inputs):
        calls.append(inputs[0].name)
        if len(calls) == 2:
            raise Interrupted(2, "stopped by signal 2")
        return train(*inputs)

    monkeypatch.setattr(training, "train", interrupted)
    grids = {"table_1": {"experiments": ["plain"], "factors": {}}}
    with pytest.raises(Interrupted):
        run(tmp_path, Listener(), grids=grids, claims=[])
    listener = Listener()
    catalog = run(tmp_path, listener, grids=grids, claims=[])
    assert [name for name, _ in listener.trials] == ["plain/seed 1"]
    assert catalog.load(f"{NAME}.study_table").markdown.count("| plain | 0, 1 |") == 1


def test_a_result_of_other_images_or_models_than_there_are_now_is_refused(finished, tmp_path, monkeypatch):
    trial = the_study().trials[0]
    result = store(finished[0]).find(trial.key)
    folders = CheckpointFolder(tmp_path / "work"), ModelLibrary(tmp_path)
    trainer = ExperimentTrainer(shapes(tmp_path), FeatureCache(tmp_path), *folders)
    trainer.check(trial, result)
    declared = {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 100, "test": 100, "seed": 1}}
    library = ImageLibrary.declared(declared, Sources(tmp_path), tmp_path)
    with pytest.raises(CheckpointError, match="of other images than there are now.*delete that folder"):
        ExperimentTrainer(library, FeatureCache(tmp_path), *folders).check(trial, result)
    monkeypatch.setattr(training, "digests_of", lambda models: {"teacher": "another"})
    with pytest.raises(CheckpointError, match="of other teacher than"):
        trainer.check(trial, result)
    kept = replace(result, card=result.card.model_copy(update={"models": {"teacher": "another"}}))
    trainer.check(trial, kept)
    with pytest.raises(CheckpointError, match="of other teacher than"):
        run_trials([trial], trainer, store(finished[0]), Tracker(), check=trainer.check)


def test_a_trial_that_another_process_runs_is_refused_before_its_images_are_noted(tmp_path):
    """Its note would be of the images that are there now, and the checkpoints to come of those that were there then."""
    trial, checkpoints = the_study().trials[0], CheckpointFolder(tmp_path / "work")
    trainer = ExperimentTrainer(shapes(tmp_path), FeatureCache(tmp_path), checkpoints, ModelLibrary(tmp_path))
    other = checkpoints.open(trial.recipe.fingerprint)
    with other.reserve(), pytest.raises(CheckpointError, match="held by process .* which trains the same recipe"):
        other.check_images("a" * 64)
        trainer(trial, Tracker())
    assert other.images_note.read_text() == "a" * 64


def test_a_relative_path_is_another_data_set_in_another_folder(tmp_path, monkeypatch):
    trial = the_study().trials[0]
    trial = replace(trial, recipe=trial.recipe.model_copy(update={"dataset": "./cats"}))
    keys = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        keys.append(trial.key)
    assert keys[0] != keys[1]


def test_a_damaged_result_is_played_again(tmp_path, caplog):
    grids, one = {"table_1": {"experiments": ["plain"], "factors": {}}}, {"seeds": [0], "claims": []}
    run(tmp_path, Listener(), grids=grids, **one)
    (scores,) = (tmp_path / "trials").rglob("scores.json")
    scores.write_text(scores.read_text().replace('"seed": 0', '"seed": 7', 1))
    listener = Listener()
    run(tmp_path, listener, grids=grids, **one)
    assert len(listener.trials) == 1
    assert "is run again" in caplog.text


def fake_groups(finished, values):
    """The groups of the study with other Frechet distances, by name and seed."""
    folder, _, _ = finished
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    for group in groups:
        for result in group.results:
            if group.name in values and result.card.final:
                result.card.final["domain_fid"] = values[group.name][result.card.seed]
    return [group for group in groups if group.grid == "table_1"]


def test_each_seed_that_ended_early_is_flagged_with_its_own_reason(finished):
    groups = fake_groups(finished, {})
    wild = next(group for group in groups if group.name == "plain/wild")
    (_, first), (_, second) = wild.done
    pruned = second.card.model_copy(update={"diverged": None, "pruned": "behind at epoch 3"})
    other = replace(second, card=pruned)
    group = replace(wild, done=((0, first), (1, other)), missing=(2,))
    assert group.flags == f"seed 0: {first.card.diverged}; seed 1: behind at epoch 3; not done yet: seeds 2"
    assert summary([group], [])["flags"].tolist() == [group.flags]


def test_seeds_that_another_network_scored_do_not_count(finished):
    group = next(one for one in fake_groups(finished, {}) if one.name == "plain/own")
    (_, first), second = group.done
    rules = [replace(one, extractor_digest="0" * 64) for one in first.card.protocols]
    other = replace(first, card=first.card.model_copy(update={"protocols": tuple(rules)}))
    mixed = replace(group, done=((0, other), second))
    assert [card.seed for card in mixed.seeds.finished] == [1]
    assert mixed.flags == "scored by other rules or networks, not counted: seeds 0"
    assert group.flags == ""
    apart = [replace(group, done=((0, other),)), replace(group, done=(second,))]
    headers = [name for name in summary(apart, []).columns if name.startswith("domain_fid@")]
    assert len(headers) == 2
    assert all("extractor_digest" in name for name in headers)


@pytest.mark.parametrize(
    ("plain", "mixed", "verdict"),
    [
        ((100.0, 102.0), (50.0, 51.0), "it holds in 1 of 2"),
        ((60.0, 66.0), (50.0, 51.0), "it is not significant in 1 of 2"),
        ((50.0, 51.0), (100.0, 102.0), "it is reversed in 1 of 2"),
        ((50.0, 90.0), (40.0, 85.0), "it is not significant in 1 of 2"),
    ],
)
def test_a_claim_holds_where_the_difference_is_beyond_the_spread_of_seeds(finished, plain, mixed, verdict):
    groups = fake_groups(finished, {"plain/own": plain, "mixed/own": mixed})
    claims = the_study().recipe.claims[:1]
    rows = [
        PublishedRow("d", "t", "synthetic_shapes", "fid", name, value, experiments=(name,))
        for name, value in (("plain", 4.0), ("mixed", 3.0))
    ]
    found = [one for one in claim_results(claims, groups, rows) if one.metric == "fid"]
    results = [*(one for one in found if one.one), *(one for one in found if not one.one)]
    assert len(results) == 2  # the other one is of runs that diverged
    assert results[0].change == pytest.approx(100 * (sum(mixed) - sum(plain)) / sum(plain))
    assert results[0].published == -25.0
    assert verdict in claim_sentences(results)[0]


def test_a_claim_may_compare_two_metrics_of_the_same_trainings(finished):
    groups = fake_groups(finished, {})
    for result in (result for group in groups for result in group.results if result.card.final):
        result.card.final.update(domain_ppl=30.0 + result.card.seed, domain_ppl_w=10.0 - result.card.seed)
    claim = ClaimRecipe(claim="shorter in W", treatment=["plain"], metrics=["ppl_w"], than="ppl")
    (result,) = claim_results([claim], [group for group in groups if group.ended], [])
    assert (result.treatment, result.one.value, result.other.value) == (result.baseline, 9.5, 30.5)
    assert " than domain_ppl@" in result.label
    assert claim_sentences([result]) == ["shorter in W: by ppl_w it holds in 1 of 1"]
    assert claim_results([claim.model_copy(update={"treatment": ("mixed",)})], groups[:1], []) == []


def test_a_metric_that_was_left_out_is_compared_with_nothing(finished):
    groups = [group for group in fake_groups(finished, {}) if group.ended]
    claim = ClaimRecipe(claim="more than flips", treatment=["plain"], metrics=["nas"], than="nas_flips")
    for result in (result for group in groups for result in group.results):
        result.card.final["nas"] = 0.5
    assert claim_results([claim], groups, []) == []


def test_what_a_training_gives_away_is_less_where_it_is_better(finished):
    groups = [group for group in fake_groups(finished, {}) if group.ended]
    for group in groups:
        few = group.name.startswith("plain")
        for result in group.results:
            seed = result.card.seed
            result.card.final.update(
                membership_auc=(0.9 if few else 0.5) + 0.01 * seed,
                domain_copy_rate=(0.4 if few else 0.01) + 0.01 * seed,
                pixel_copy_rate=0.01 * seed,
            )
    claim = ClaimRecipe(
        claim="c", treatment=["mixed"], baseline=["plain"], metrics=["membership_auc", "copies", "pixel_copies"]
    )
    (said,) = claim_sentences(claim_results([claim], groups, []))
    held = "by membership_auc it holds in 1 of 1; by copies it holds in 1 of 1"
    assert said == f"c: {held}; by pixel_copies it is not significant in 1 of 1"


def test_experiments_of_several_numbers_of_images_share_a_table(finished):
    groups = fake_groups(finished, {})
    for group, dataset in zip(groups, ("a/train[:9]@8", "a/train[:99]@8", "b/train[:9]", "b/train[:9]"), strict=True):
        for result in group.results:
            object.__setattr__(result.card, "dataset", dataset)
    assert [(dataset, len(part)) for (_, dataset), part in groups_by_table(groups).items()] == [
        ("a/train", 2), ("b/train[:9]", 2),
    ]  # fmt: skip


def test_one_seed_tells_nothing(finished):
    groups = fake_groups(finished, {"plain/own": (1.0, 2.0), "mixed/own": (100.0, 200.0)})
    for group in groups:
        object.__setattr__(group, "done", group.done[:1])
        vars(group).pop("seeds", None)
    (told,) = claim_sentences(claim_results(the_study().recipe.claims[:1], groups, []))
    assert "one seed tells nothing in 1 of 2, a side diverged with every seed in 1 of 2" in told


def test_ranks_and_costs_are_of_the_part(finished):
    table = summary(fake_groups(finished, {"plain/own": (100.0, 101.0), "mixed/own": (50.0, 51.0)}), [])
    trials = dict(zip(table["experiment"] + table["rate"], table["domain_fid@100v100-train"], strict=True))
    assert trials["mixedown"].endswith("(1)")
    assert trials["plainown"].endswith("(2)")
    assert "1.00x" in set(table["time"])


def test_a_players_loss_is_the_sum_of_its_terms(finished):
    folder, _, _ = finished
    result = store(folder).find(next(trial.key for trial in the_study().trials if trial.name == "mixed/own"))
    whole, alone = (player_losses(result, "generator", adversarial=only) for only in (False, True))
    for row, (epoch, total), (_, adversarial) in zip(result.history.losses, whole, alone, strict=True):
        assert epoch == row["epoch"]
        assert total == pytest.approx(row["generator.generator_loss"] + row["generator.deviation_regulariser"])
        assert adversarial == row["generator.generator_loss"]
    assert spread_of_loss(result) > 0


def test_what_measures_the_properties_that_documents_ascribe_to_losses(finished):
    """More is better of diversity alone, and a run that diverged counts for none of them."""
    folder, _, _ = finished
    groups = grouped(ExperimentGroup, the_study().trials, store(folder))
    groups = [group for group in groups if group.grid == "table_1" and group.trial.experiment == "plain"]
    gauges = measures_of(groups)
    assert {of: {one.higher_is_better for one in found} for of, found in gauges.items()} == {
        "collapse": {True}, "quality": {False}, "stability": {False}, "cost": {False},
    }  # fmt: skip
    assert {name for found in gauges.values() for one in found for name in one.values} == {"own"}
    assert {one.diverged for found in gauges.values() for one in found} == {frozenset({"wild"})}
    distances = [row["domain_fid"] for row in groups[0].results[0].history.metrics if "domain_fid" in row]
    assert fid_on_the_way(groups[0].results[0]) == pytest.approx(geometric_mean(distances))


def test_a_trial_that_failed_is_in_the_table_with_its_error_and_the_command_says_so(finished):
    folder, _, catalog = finished
    error = "failed 3 times, the last: no memory"
    ended = catalog.load(f"{NAME}.finished") | {"table_1: plain/own, seed 7": error}
    larger = the_study(seeds=[0, 1, 7])
    page = study.tabulate(larger, store(folder), ended, PUBLISHED, {"song2023": [PRO]})
    rows = [line for line in page.markdown.splitlines() if line.startswith("| DCGAN | plain | own")]
    assert f"| seed 7 {error} |" in rows[0]
    assert f"table_1: plain/own, seed 7 {error}" in page.console
    assert "not done yet: seeds 7" in page.markdown  # the others
    hook = DivergenceHook()
    hook.after_dataset_saved(f"{NAME}.finished", ended)
    with pytest.raises(PaperganError, match=f"1 trials have no result; .* table_1: plain/own, seed 7 {error}"):
        hook.after_pipeline_run()
    hook.before_pipeline_run()
    hook.after_dataset_saved(f"{NAME}.finished", catalog.load(f"{NAME}.finished"))
    hook.after_pipeline_run()
