"""The search for FD: upward, up to the first stable one, no further."""

from __future__ import annotations

import pytest

from papergan.config.checked import TrialPlan
from papergan.config.study import SearchRecipe, TrialResult, search_trials
from papergan.metrics.stability import StabilityRule
from papergan.pipelines import fd_search as nodes
from papergan.tracking import Tracker
from papergan.training.history import History
from pipelines.test_study import RECIPES

ONE = RECIPES["plain"] | {"system": "cft_gan"}
CFT = {"one": ONE, "two": ONE | {"image_size": 64}}


class Card:
    def __init__(self, diverged: str | None) -> None:
        self.diverged, self.final = diverged, {"domain_fid": 3.0, "domain_density": 1.0}


def result(loss: float, diverged: str | None = None) -> TrialResult:
    history = History()
    names = ("discriminator.discriminator_loss", "generator.generator_loss", "generator.gradient_norm")
    history.losses = [{"epoch": float(epoch), **dict.fromkeys(names, loss)} for epoch in range(1, 41)]
    return TrialResult(Card(diverged), history, None)


@pytest.fixture
def search(monkeypatch):
    """How the trials go, by experiment and FD, in the place of training."""
    outcomes = {
        ("one", 1): result(0.01), ("one", 2): result(1.0, "diverged at step 5"), ("one", 3): result(1.0),
        **{("two", fd): result(0.01) for fd in (1, 2, 3, 4)},
    }  # fmt: skip
    finished = []

    class ExperimentTrainer:
        def __init__(self, *_):
            pass

        def check(self, trial, found):
            pass

        def __call__(self, trial, tracker):
            finished.append((trial.experiment, int(trial.levels["FD"])))
            return outcomes[finished[-1]]

    class Store:
        checkpoints = None

        def find(self, key):
            return None

        def keep(self, key, result):
            pass

    monkeypatch.setattr(nodes, "ExperimentTrainer", ExperimentTrainer)
    recipe = SearchRecipe(paper="song2023", experiments=("one", "two"), most=4, rule=StabilityRule())
    return TrialPlan("fd_search", recipe, tuple(search_trials("fd_search", recipe, CFT))), finished, outcomes, Store()


def test_it_stops_at_the_first_stable_one_and_gives_up_at_the_most(search):
    what, finished, _, store = search
    trace, chosen = nodes.search(what, None, None, None, store, Tracker())
    assert finished == [("one", 1), ("one", 2), ("one", 3), ("two", 1), ("two", 2), ("two", 3), ("two", 4)]
    assert chosen == {"one": 3}
    assert [trial["instability"] for trial in trace[:3]] == [
        "epoch 33: the discriminator's loss is below 0.05 for 3 epochs", "diverged at step 5", None,
    ]  # fmt: skip
    assert trace[0]["domain_fid"] == 3.0
    assert "domain_density" not in trace[0]


def test_the_page_says_what_was_chosen_and_by_which_rule(search):
    what, _, _, store = search
    trace, _ = nodes.search(what, None, None, None, store, Tracker())
    page = nodes.tabulate(what, trace)
    assert "--params one.overrides.feature_differences=3" in page.markdown
    assert "one: FD 3, the first without an instability" in page.console
    assert "two: none of FD 1 to 4 was stable, the rule chooses nothing" in page.markdown
    assert "after epoch 30" in page.markdown
    assert len(page.csv.splitlines()) == 8


def test_the_plot_has_a_panel_per_trial(search):
    what, _, outcomes, store = search
    trace, _ = nodes.search(what, None, None, None, store, Tracker())
    by_cell = {trial["trial"]: outcomes[trial["experiment"], trial["FD"]] for trial in trace}

    class Store:
        find = staticmethod(by_cell.get)

    figure = nodes.draw(what, trace, Store())
    assert len(figure.axes) == 7
    assert all(len(axes.lines) == 2 for axes in figure.axes)
    assert "stable" in figure.axes[2].get_title()
