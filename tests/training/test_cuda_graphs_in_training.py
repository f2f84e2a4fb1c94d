"""Training from recordings is the training that plays, in what it reports and saves; one switch turns them off."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.recording import Again
from helpers.tiny_game import tiny_game
from helpers.training_run import SETTINGS, digest, new_training
from papergan.config.experiment import Recipe
from papergan.errors import Interrupted
from papergan.game import cuda_graphs
from papergan.game.cuda_graphs import GraphedStep
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.schedules import LinearDecay, PiecewiseConstant
from papergan.game.terms import DiscriminatorLoss
from papergan.game.training_step import training_step
from papergan.objectives.adversarial import Wasserstein
from papergan.pipelines.experiment.nodes.training import train_settings_of
from papergan.training import trainer
from papergan.training.history import RunningMean

GIVEN = {"paper": "tahvili2025", "system": "dcgan", "dataset": "cifar10", "training": {"steps": 1}}


def moving() -> Game:
    return tiny_game(
        discriminator_optimiser=lambda weights: torch.optim.Adam(weights, lr=0.01),
        generator_learning_rate=LinearDecay(0.5, 4, 36),
        discriminator_terms=[DiscriminatorLoss(Wasserstein(), weight=lambda progress: 0.01 * progress.step)],
        average=EMA(PiecewiseConstant(0.5, ((20, 0.99),))),
    )


def run(folder, recorded: bool, steps: int = 40, stop_at: int = -1) -> trainer.Trainer:
    training = new_training(folder, settings=replace(SETTINGS, steps=steps), game=moving())
    training.callbacks = trainer.Callbacks(stop=lambda: 15 if training.step == stop_at else None)
    if recorded:
        training._graphs = GraphedStep(
            training.game,
            training._guard,
            None,
            Again(training.game, training._guard),
            exact=training.settings.deterministic,
        )
    training.run()
    return training


def reported(training: trainer.Trainer) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in training.history.losses]


def test_a_run_from_recordings_is_the_played_run(tmp_path):
    straight, recorded = run(tmp_path / "a", False), run(tmp_path / "b", True)
    assert recorded._graphs.engine.repeated == 40 - 5 + 1
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
    again.settings = replace(SETTINGS, steps=40)
    again.run()
    assert digest(again) == digest(straight)
    assert again._graphs.engine.played == 2 * 6  # three, the recorded one, and twice for the check; all of it anew


@pytest.mark.parametrize("wanted", [True, False])
def test_only_the_switch_and_a_gpu_make_recordings(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CudaEngine", lambda device: f"graphs on {device}")
    settings = replace(SETTINGS, cuda_graphs=wanted)
    assert new_training(tmp_path, settings=settings)._graphs is None  # a CPU
    monkeypatch.setattr(trainer, "NonFiniteGuard", lambda device: None)
    monkeypatch.setattr(cuda_graphs, "GraphScalars", lambda device: None)
    monkeypatch.setattr(Game, "device", torch.device("cuda"))
    made = new_training(tmp_path, settings=settings)._graphs
    assert made.engine == "graphs on cuda" if wanted else made is None


def test_by_default_a_gpu_runs_every_step_eagerly(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "NonFiniteGuard", lambda device: None)
    monkeypatch.setattr(Game, "device", torch.device("cuda"))
    assert not Recipe.parse("some", GIVEN).training.cuda_graphs
    assert new_training(tmp_path)._graphs is None


def test_without_the_switch_the_trainer_calls_the_training_step_itself(tmp_path, monkeypatch):
    steps = []

    def counted(game, batches, progress, *rest):
        steps.append(progress.step)
        return training_step(game, batches, progress, *rest)

    monkeypatch.setattr(trainer, "training_step", counted)
    run(tmp_path, False, steps=7)
    assert steps == list(range(7))


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, False),
        ({"cuda_graphs": True}, True),
        ({"cuda_graphs": False}, False),
        ({"cuda_graphs": True, "devices": 2}, False),
    ],
)
def test_the_recipe_has_a_switch_that_does_not_make_another_recipe(training, expected):
    def recipe(**more) -> Recipe:
        return Recipe.parse("some", GIVEN | {"training": {"steps": 1, **more}})

    assert train_settings_of(recipe(**training), 10, 1, prefix="").cuda_graphs == expected
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
