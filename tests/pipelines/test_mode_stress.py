"""The stress test: what it counts, that it goes on where it was stopped, and that it says what is wrong first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset

from helpers.project_run import run_here
from papergan.config.checked import TrialPlan
from papergan.config.mode_stress import ModeResult, ModeStressRecipe, trials_of
from papergan.datasets.trial_results import ModeTrialStore
from papergan.errors import CheckpointError, Interrupted, RecipeError
from papergan.hooks.study_checks import check_mode_stress
from papergan.metrics.modes import Mixture, mode_coverage
from papergan.pipelines import mode_stress as nodes
from papergan.studies.claims import claim_results, claim_sentences
from papergan.studies.measures import second_half_mean, spread_of_points_loss
from papergan.studies.points import results as mode_results
from papergan.studies.points.results import summary
from papergan.studies.points.trials import PointsTraining, log_likelihood
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.tracking import Tracker

SMALL = {
    "paper": "gan_optimisation_review", "steps": 4, "batch_size": 8, "every_steps": 2, "samples": 50, "seeds": [0, 1],
    "common": {"latent_dim": 2, "width": 4}, "levels": {"non_saturating": {}, "hinge": {"loss": "hinge"}},
    "targets": {"ring": {"kind": "ring", "modes": 8, "scale": 2.0, "deviation": 0.02}},
    "claims": [{"claim": "hinge is better", "treatment": ["hinge"], "baseline": ["non_saturating"]}],
}  # fmt: skip
(CLAIM,) = SMALL["claims"]


def never():
    return None


def ignore(row):
    pass


def trained(trial, stop=never, *, report=ignore, checkpoints=None):
    return PointsTraining(trial, report, checkpoints).run(stop)


def recipe(**changes):
    return ModeStressRecipe.parse("mode_stress_test", SMALL | changes)


def outcome(modes, losses=(1.0, 1.0, 1.0, 1.0), diverged=None):
    counts = {"high_quality": 0.5, "divergence": 0.1, "log_likelihood": 1.0}
    over_time = [{"step": float(step), "modes": count, **counts} for step, count in enumerate(modes)]
    names = ("discriminator.discriminator_loss", "discriminator.gradient_norm")
    rows = [{"step": 0.0, **dict(zip(names, (loss, 9.0), strict=True))} for loss in losses]
    return ModeResult(over_time=over_time, losses=rows, seconds_per_step=0.01, points=[[0.0, 0.0]], diverged=diverged)


def test_a_cell_is_a_function_of_its_seed():
    trials = trials_of(recipe())
    first, again, other = (trained(trials[place]) for place in (0, 0, 2))
    assert trials[0].name == trials[2].name
    assert trials[0].key != trials[2].key
    assert first.points == again.points != other.points
    assert [row["step"] for row in first.over_time] == [0.0, 2.0, 4.0]
    assert first.losses == again.losses
    assert len(first.losses) == 2


def test_points_are_in_the_plane_of_the_mixture_and_the_target_is_the_mixture(monkeypatch):
    """A generator that is the mixture covers all of it: both directions of the scale are right."""
    trial = trials_of(recipe(steps=1, every_steps=1, samples=2000))[0]
    seen = []

    def fake_play(game, batches, progress, watch):
        seen.append(batches[0]["image"])
        return {"discriminator.discriminator_loss": torch.zeros(())}

    class Perfect:
        def stream(self, count, *, seed):
            yield (Mixture.ring().sample(count, seed) / (1.25 * 2.0)).reshape(-1, 2, 1, 1)

    monkeypatch.setattr("papergan.studies.points.trials.training_step", fake_play)
    monkeypatch.setattr("papergan.game.game.Game.sampler", lambda self, **_: Perfect())
    result = trained(trial)
    assert result.over_time[-1]["modes"] == 8
    assert result.over_time[-1]["high_quality"] == pytest.approx(0.989, abs=0.01)
    likelihood = log_likelihood(Mixture.ring().sample(2000, 1), Mixture.ring())
    assert result.over_time[-1]["log_likelihood"] == pytest.approx(likelihood, abs=0.1)
    assert likelihood > log_likelihood(Mixture.ring(4).sample(2000, 1), Mixture.ring()) + 1
    assert tuple(seen[0].shape) == (8, 2, 1, 1)
    assert seen[0].flatten(1).norm(dim=1).mean() == pytest.approx(1 / 1.25, abs=0.02)


@pytest.mark.parametrize("system", ["gan", "pacgan_points"])
def test_a_stopped_cell_goes_on_to_the_same_bits(tmp_path, monkeypatch, system):
    """Also where the points are a data set, and a step is of packs of them."""
    monkeypatch.setattr("papergan.studies.resumable.SECONDS_BETWEEN_SAVES", 0.0)
    what = recipe(
        system=system,
        levels={"pairs": {"packing": 2}},
        claims=[],
        num_points=30,
        scaled=False,
        steps=6,
        common={"latent_dim": 2, "width": 4},
    )
    trial, store = trials_of(what)[0], ModeTrialStore(tmp_path / "cells", tmp_path / "checkpoints")
    whole = trained(trial)
    asked = []

    def at_the_fifth_step():
        asked.append(None)
        return 15 if len(asked) == 5 else None

    with store.unfinished(trial.key) as checkpoints:
        with pytest.raises(Interrupted, match="run again to go on"):
            trained(trial, at_the_fifth_step, checkpoints=checkpoints)
        assert checkpoints.steps() == [2, 4]
        rows = []
        again = trained(trial, report=rows.append, checkpoints=checkpoints)
        assert [row["step"] for row in rows] == [0.0, 2.0, 4.0, 6.0]  # as without a stop: this tracker saw none of them
        assert rows[2] == whole.over_time[2] | whole.losses[1]
    assert (again.over_time, again.losses, again.points) == (whole.over_time, whole.losses, whole.points)
    store.keep(trial.key, again)
    assert checkpoints.steps() == []


def test_a_checkpoint_of_another_game_is_refused_by_name(tmp_path):
    """Of an earlier version of the code, or with one network more."""
    trial, store = trials_of(recipe())[0], ModeTrialStore(tmp_path / "cells", tmp_path / "checkpoints")
    wider = trials_of(recipe(common={"latent_dim": 2, "width": 5}))[0]
    with store.unfinished(trial.key) as checkpoints:
        with pytest.raises(Interrupted):
            trained(wider, lambda: 15, checkpoints=checkpoints)
        with pytest.raises(
            CheckpointError, match="step 0 is of another game or version: networks.* delete that folder"
        ):
            trained(trial, checkpoints=checkpoints)


@pytest.mark.parametrize("steps_before", [1, 2, 5])
def test_a_stop_saves_the_step_and_nothing_is_trained_again(tmp_path, steps_before):
    trial, store = trials_of(recipe(steps=6))[0], ModeTrialStore(tmp_path / "cells", tmp_path / "checkpoints")
    whole, asked = trained(trial), []

    def later():
        asked.append(None)
        return 15 if len(asked) == steps_before + 1 else None

    with store.unfinished(trial.key) as checkpoints:
        with pytest.raises(Interrupted, match="run again to go on"):
            trained(trial, later, checkpoints=checkpoints)
        assert checkpoints.steps() == [steps_before]
        asked.clear()
        again = trained(trial, lambda: asked.append(None), checkpoints=checkpoints)
    assert len(asked) == 6 - steps_before
    assert (again.over_time, again.losses, again.points) == (whole.over_time, whole.losses, whole.points)


def test_points_of_a_data_set_are_the_only_ones_that_are_seen(monkeypatch):
    what = recipe(system="pacgan_points", levels={"pairs": {"packing": 2}}, claims=[], num_points=3, scaled=False)
    seen = []

    def fake_step(game, batches, progress, guard):
        seen.append(batches[0]["image"])
        return {"discriminator.discriminator_loss": torch.zeros(())}

    monkeypatch.setattr("papergan.studies.points.trials.training_step", fake_step)
    trained(trials_of(what)[0])
    points = torch.cat(seen).flatten(1)
    assert len(points) == 4 * 2 * 8  # steps, images in a pack, packs
    assert len({tuple(point) for point in points.tolist()}) == 3
    assert points.norm(dim=1) == pytest.approx(2.0, abs=0.1)


def test_some_trials_by_name():
    assert [trial.name for trial in trials_of(recipe(only=["ring/hinge"]))] == ["ring/hinge"] * 2
    keys = {trial.name: trial.key for trial in trials_of(recipe())}
    assert {trial.key for trial in trials_of(recipe(only=["ring/hinge"]))} > {keys["ring/hinge"]}
    assert trials_of(recipe(scaled=False))[0].key != trials_of(recipe())[0].key


def test_a_trial_that_diverges_says_so_and_keeps_the_counts_so_far():
    trial = trials_of(recipe(levels={"wild": {"learning_rate": 1e9, "loss": "wasserstein"}}, claims=[]))[0]
    result = trained(trial)
    assert result.diverged.startswith("diverged at step")
    assert result.points == []
    assert result.over_time


def test_a_stopped_cell_is_not_kept_and_done_ones_are_not_played_again(tmp_path, monkeypatch):
    what = recipe()
    stress, store = (
        TrialPlan("mode_stress_test", what, tuple(trials_of(what))),
        ModeTrialStore(tmp_path, tmp_path / "work"),
    )
    finished = []

    def play_but_the_third(training, stop):
        finished.append(training.trial.key)
        if len(finished) == 3:
            raise Interrupted(15, "stopped")

    monkeypatch.setattr(PointsTraining, "_train", play_but_the_third)
    with pytest.raises(Interrupted):
        nodes.run_stress_test(stress, store, Tracker())
    keys = nodes.run_stress_test(stress, store, Tracker())
    assert len(set(finished)) == 4
    assert len(finished) == 5
    assert set(keys.values()) == {trial.key for trial in stress.trials}
    assert store.find(stress.trials[0].key).provenance["commit"]


def test_a_damaged_result_is_played_again(tmp_path, caplog):
    store = ModeTrialStore(tmp_path, tmp_path / "work")
    store.keep("key", outcome([1.0]))
    assert store.find("key").over_time[0]["modes"] == 1.0
    (tmp_path / "key.json").write_text("{")
    assert store.find("key") is None
    assert "is damaged" in caplog.text
    store.keep("key", outcome([1.0]))
    (tmp_path / "key.json").write_text((tmp_path / "key.json").read_text().replace('"modes": 1.0', '"modes": 9.0'))
    assert store.find("key") is None


def test_means_over_seeds_and_the_second_half_of_training(tmp_path):
    what = recipe()
    trials, store = trials_of(what), ModeTrialStore(tmp_path, tmp_path / "work")
    for trial, modes in zip(trials, ([0, 0, 2, 2], [0, 0, 8, 8], [0, 0, 2, 1], [0, 0, 8, 8]), strict=True):
        store.keep(trial.key, outcome(modes, losses=(9.0, 9.0, 1.0, 3.0)))
    groups = grouped(NamedGroup, trials, store)
    assert groups[0].over(second_half_mean("modes")).value == pytest.approx((2.0 + 1.5) / 2)
    assert spread_of_points_loss(groups[0].results[0]) == pytest.approx(
        1.0 / 8.0
    )  # deviation 1 of a range of 8, no norms
    assert claim_sentences(claim_results(what.claims, groups)) == ["hinge is better: by modes it holds in 1 of 1"]
    table = summary(groups, what.targets["ring"], what)
    assert list(table["level"]) == ["the mixture itself", "non_saturating", "hinge"]
    assert table["modes of 8"][0] == "8"


def test_a_level_that_diverged_with_every_seed_is_counted_as_that(tmp_path):
    what = recipe()
    trials, store = trials_of(what), ModeTrialStore(tmp_path, tmp_path / "work")
    for place, trial in enumerate(trials):
        said = claim_sentences(claim_results(what.claims, grouped(NamedGroup, trials, store)))
        assert said == []  # while a seed of hinge, the last trial, may still come to an end
        assert [len(group.missing) for group in grouped(NamedGroup, trials, store)] == [
            2 - (place + 1) // 2,
            2 - place // 2,
        ]
        store.keep(trial.key, outcome([1, 2], diverged="diverged at step 1" if trial.level == "hinge" else None))
    (said,) = claim_sentences(claim_results(what.claims, grouped(NamedGroup, trials, store)))
    assert said == "hinge is better: by modes a side diverged with every seed in 1 of 1"


def test_where_the_first_seed_diverged_samples_are_of_the_next(tmp_path):
    what = recipe()
    trials, store = trials_of(what), ModeTrialStore(tmp_path, tmp_path / "work")
    for trial in trials:
        early = trial.level == "hinge" or trial.seed == 0
        result = outcome([1, 2], diverged=f"diverged at step {trial.seed}" if early else None)
        store.keep(trial.key, replace(result, points=[] if early else [[0.5, 0.5]]))
    one, hinge = groups = grouped(NamedGroup, trials, store)
    seed, result = one.first_ended
    assert (seed, result.points, one.ended) == (1, [[0.5, 0.5]], True)
    assert (hinge.first_ended, hinge.ended) == (None, False)
    assert hinge.flags == "seed 0: diverged at step 0; seed 1: diverged at step 1"
    drawn, empty = mode_results.samples(groups, what, "title").axes
    assert drawn.collections[0].get_offsets().tolist() == [[0.5, 0.5]]
    assert [text.get_text() for text in empty.texts] == ["diverged"]
    assert [text.get_text() for text in drawn.texts] == []


def test_circles_have_the_radius_within_which_a_mode_is_covered(tmp_path):
    what, store = recipe(), ModeTrialStore(tmp_path, tmp_path / "checkpoints")
    for trial in trials_of(what):
        store.keep(trial.key, outcome([1]))
    groups = grouped(NamedGroup, trials_of(what), store)
    for group, axes in zip(groups, mode_results.samples(groups, what, "title").axes, strict=True):
        mixture = what.targets[group.grid].mixture()
        assert len(axes.patches) == len(mixture.centres)
        for circle, centre in zip(axes.patches, mixture.centres.tolist(), strict=True):
            assert circle.center == tuple(centre)
            for share, covered in ((0.99, 1), (1.01, 0)):
                point = torch.tensor([[centre[0] + share * circle.radius, centre[1]]])
                assert mode_coverage(point, mixture).modes == covered


def test_a_level_keeps_its_colour_and_all_are_in_the_legend(tmp_path):
    what = recipe(targets={"ring": SMALL["targets"]["ring"], "again": SMALL["targets"]["ring"] | {"scale": 3.0}})
    trials, store = trials_of(what), ModeTrialStore(tmp_path, tmp_path / "work")
    for trial in trials:
        if (trial.target, trial.level) != ("ring", "non_saturating"):
            store.keep(trial.key, outcome([1, 2]))
    figure = mode_results.modes(grouped(NamedGroup, trials, store), what, "title")
    colours = [[line.get_color() for line in axes.get_lines()] for axes in figure.axes]
    assert colours[0][0] == colours[1][1] != colours[1][0]
    (legend,) = figure.legends
    assert {entry.get_text() for entry in legend.get_texts()} == {"hinge", "non_saturating"}


def test_figures_have_no_panels_of_targets_that_were_not_run(tmp_path):
    what = recipe(targets={"ring": SMALL["targets"]["ring"], "again": SMALL["targets"]["ring"] | {"scale": 3.0}})
    trials, store = trials_of(what), ModeTrialStore(tmp_path, tmp_path / "work")
    for trial in trials:
        if (trial.target, trial.level) == ("again", "hinge"):
            store.keep(trial.key, outcome([1, 2]))
    groups = grouped(NamedGroup, trials, store)
    for figure in (mode_results.modes(groups, what, "title"), mode_results.samples(groups, what, "title")):
        (panel,) = figure.axes
        assert "again" in panel.get_title()
        assert panel.get_subplotspec().get_gridspec().get_geometry() == (1, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"levels": {"hinge": {"los": "hinge"}}, "claims": []}, "levels.hinge: system 'gan' has no setting 'los'"),
        (
            {"targets": {"grid": {"kind": "grid", "modes": 24, "scale": 2.0, "deviation": 0.1}}},
            "square number of modes",
        ),
        ({"only": ["ring/hing"]}, "mode_stress_test.only: no trial 'ring/hing'; did you mean 'ring/hinge'"),
        ({"stepps": 3}, "unknown key 'stepps'; did you mean 'steps'"),
        ({"levels": {"hinge": {"loss": "hinge"}}}, "claims.0: unknown level 'non_saturating'"),
        ({"claims": [CLAIM | {"grids": ["rnig"]}]}, "claims.0: unknown target 'rnig'; did you mean 'ring'"),
        ({"claims": [CLAIM | {"baseline": [], "than": "modez"}]}, "claims.*than.*'modes' or 'high_quality'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_played(changes, said):
    catalog = DataCatalog({"params:mode_stress_test": MemoryDataset(SMALL | changes)})
    with pytest.raises(RecipeError, match=said):
        check_mode_stress("mode_stress_test", catalog)


def test_from_the_command_to_the_table(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    some = ("non_saturating", "least_squares")
    monkeypatch.setattr(
        "papergan.config.mode_stress.trials_of", lambda recipe: [c for c in trials_of(recipe) if c.level in some]
    )
    run_here("mode_stress_test")
    folder = tmp_path / "data/08_reporting/mode_stress_test"
    assert {path.name for path in folder.iterdir()} == {
        "cells", "finished.json", "table", "samples.png", "modes_over_time.png",
    }  # fmt: skip
    table = (folder / "table/table.md").read_text()
    assert "| non_saturating |" in table
    assert "Table 4: least squares avoid mode collapse: by modes" in table
    assert "Mode collapse avoidance" in table
    assert "nothing here measures it" in table
    assert len(list((folder / "cells").iterdir())) == 2 * 2
