"""The same few latents over time."""

from __future__ import annotations

from dataclasses import replace

import torch

from helpers.tiny_game import tiny_game
from helpers.training_run import SETTINGS, new_training
from papergan.game.schedules import Progress
from papergan.training.callbacks import Callbacks
from papergan.training.sample_history import MAX_FRAMES, NUM_SHOWN, SampleHistory


def test_frames_show_the_same_latents_as_the_generator_changes():
    game, sample_history = tiny_game(), SampleHistory()
    sample_history.add(game.sampler(), 3, Progress(1, 8, 0.1))
    with torch.no_grad():
        game.sampler().generator.linear.weight.mul_(-1)
    sample_history.add(game.sampler(), 3, Progress(2, 16, 0.2))
    first, second = sample_history.frames
    assert first.images.shape == (NUM_SHOWN, 1, 4, 4)
    assert first.images.dtype == torch.uint8
    assert not torch.equal(first.images, second.images)
    assert (second.step, second.epoch) == (2, 0.2)


def test_there_are_never_too_many_and_the_newest_stays():
    game, sample_history = tiny_game(), SampleHistory()
    for step in range(3 * MAX_FRAMES):
        sample_history.add(game.sampler(), 0, Progress(step))
        assert len(sample_history.frames) <= MAX_FRAMES
        assert sample_history.frames[-1].step == step
    steps = [frame.step for frame in sample_history.frames]
    assert steps == sorted(set(steps))


def test_a_resumed_run_has_the_frames_of_one_that_never_stopped(tmp_path):
    settings = replace(SETTINGS, evaluate_every=10)
    callbacks = Callbacks(evaluate=lambda sampler, game, progress: {"fid": 1.0})
    straight = new_training(tmp_path / "a", callbacks, settings)
    straight.run()
    new_training(tmp_path / "b", callbacks, replace(settings, steps=20)).run()
    resumed = new_training(tmp_path / "b", callbacks, settings)
    resumed.run()
    assert [frame.step for frame in resumed.sample_history.frames] == [10, 20, 30, 40]
    for one, other in zip(straight.sample_history.frames, resumed.sample_history.frames, strict=True):
        assert torch.equal(one.images, other.images)


def test_evaluations_under_other_rules_are_forgotten_and_the_weights_kept(tmp_path):
    scores = iter([1.0, 2.0, 7.0])
    callbacks = Callbacks(evaluate=lambda sampler, game, progress: {"fid": next(scores)})
    first = new_training(tmp_path, callbacks, replace(SETTINGS, steps=20, evaluate_every=10, rules="few samples"))
    first.run()
    second = new_training(tmp_path, callbacks, replace(SETTINGS, steps=20, evaluate_every=10, rules="many samples"))
    second.run()
    assert [row["fid"] for row in second.history.metrics] == [7.0]
    assert [frame.step for frame in second.sample_history.frames] == [20]
    assert second.history.losses == first.history.losses
