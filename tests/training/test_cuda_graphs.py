"""Training from recordings is the training that plays, in what it reports and saves; one switch turns them off."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from papergan.config.experiment import Recipe
from papergan.errors import Interrupted
from papergan.game import cuda_graphs as capture
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.schedules import LinearDecay, Warmup
from papergan.game.terms import DiscriminatorLoss
from papergan.objectives.adversarial import Wasserstein
from papergan.pipelines.experiment.nodes.training import plan_of
from papergan.training import trainer
from papergan.training.history import RunningMean
from recording import Again
from tiny_game import tiny_game
from training_run import PLAN, digest, new_training


def moving() -> Game:
    return tiny_game(
        discriminator_optimiser=lambda weights: torch.optim.Adam(weights, lr=0.01),
        generator_learning_rate=LinearDecay(0.5, 4, 36),
        discriminator_terms=[DiscriminatorLoss(Wasserstein(), weight=lambda progress: 0.01 * progress.step)],
        average=EMA(Warmup(0.5, 0.99, 20)),
    )


def run(folder, recorded: bool, steps: int = 40, stop_at: int = -1) -> trainer.Trainer:
    training = new_training(folder, plan=replace(PLAN, steps=steps), game=moving())
    training.listeners = trainer.Callbacks(stop=lambda: 15 if training.step == stop_at else None)
    if recorded:
        training._iterate.engine = Again(training.game, training._watch)
    training.run()
    return training


def reported(training: trainer.Trainer) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in training.history.losses]


def test_a_run_from_recordings_is_the_played_run(tmp_path):
    straight, recorded = run(tmp_path / "a", False), run(tmp_path / "b", True)
    assert recorded._iterate.engine.repeated == 40 - 5 + 1
    assert digest(recorded) == digest(straight)
    assert reported(recorded) == reported(straight)


@pytest.mark.parametrize("first", [True, False])
def test_a_run_may_be_resumed_with_recordings_or_without(first, tmp_path):
    straight = run(tmp_path / "a", False)
    with pytest.raises(Interrupted):
        run(tmp_path / "b", first, stop_at=17)  # between two reports
    resumed = run(tmp_path / "b", not first)
    assert digest(resumed) == digest(straight)
    assert reported(resumed) == reported(straight)


def test_a_training_that_is_run_again_reads_no_tensors_of_before(tmp_path):
    straight = run(tmp_path / "a", False)
    again = run(tmp_path / "b", True, steps=20)
    again.plan = replace(PLAN, steps=40)
    again.run()
    assert digest(again) == digest(straight)
    assert again._iterate.engine.played == 2 * 6  # three, the recorded one, and twice for the check; all of it anew


@pytest.mark.parametrize("wanted", [True, False])
def test_only_the_switch_and_a_gpu_make_recordings(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CudaEngine", lambda device: f"graphs on {device}")
    plan = replace(PLAN, cuda_graphs=wanted)
    assert new_training(tmp_path, plan=plan)._iterate.engine is None  # a CPU
    monkeypatch.setattr(trainer, "NonFiniteGuard", lambda device: None)
    monkeypatch.setattr(capture, "GraphScalars", lambda device: None)
    monkeypatch.setattr(Game, "device", torch.device("cuda"))
    assert new_training(tmp_path, plan=plan)._iterate.engine == ("graphs on cuda" if wanted else None)


@pytest.mark.parametrize(
    ("training", "expected"), [({}, True), ({"cuda_graphs": False}, False), ({"devices": 2}, False)]
)
def test_the_recipe_has_a_switch_that_does_not_make_another_recipe(training, expected):
    def recipe(**more) -> Recipe:
        given = {"paper": "tahvili2025", "system": "dcgan", "dataset": "cifar10", "training": {"steps": 1, **more}}
        return Recipe.parse("some", given)

    assert plan_of(recipe(**training), 10, 1, prefix="").cuda_graphs == expected
    assert recipe(**training).fingerprint == recipe().fingerprint


def test_means_are_those_of_sums_taken_one_by_one_to_the_bit():
    rows = [{"a": value[0], "b": value[1]} for value in torch.randn(50, 2, generator=torch.Generator().manual_seed(0))]
    meter, sums = RunningMean(), {"a": torch.zeros(()), "b": torch.zeros(())}
    for number, row in enumerate(rows):
        meter.add(row if number % 3 else {"a": row["a"]})
        sums = {"a": sums["a"] + row["a"], "b": sums["b"] + row["b"] if number % 3 else sums["b"]}
    assert meter.read() == {"a": float(sums["a"]) / 50, "b": float(sums["b"]) / 33}
    assert meter.read() == {}


def test_a_meter_keeps_none_of_the_tensors_it_is_given_and_gives_none_of_its_own():
    meter, value = RunningMean(), torch.tensor(1.0)
    meter.add({"a": value})
    value.fill_(100.0)
    state = meter.state_dict()
    other = RunningMean()
    other.load_state_dict(state, torch.device("cpu"))
    meter.add({"a": torch.tensor(3.0)}), other.add({"a": torch.tensor(5.0)})
    assert float(state["sums"]["a"]) == 1.0
    assert (meter.read(), other.read()) == ({"a": 2.0}, {"a": 3.0})
