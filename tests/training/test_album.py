"""The same few latents over time."""

from __future__ import annotations

from dataclasses import replace

import torch

from helpers.tiny_game import tiny_game
from helpers.training_run import PLAN, new_training
from papergan.game.schedules import Progress
from papergan.training.sample_history import MOST, NUM_SHOWN, SampleHistory
from papergan.training.trainer import Callbacks


def test_frames_show_the_same_latents_as_the_generator_changes():
    game, album = tiny_game(), SampleHistory()
    album.add(game.sampler(), 3, Progress(1, 8, 0.1))
    with torch.no_grad():
        game.sampler().generator.linear.weight.mul_(-1)
    album.add(game.sampler(), 3, Progress(2, 16, 0.2))
    first, second = album.frames
    assert first.images.shape == (NUM_SHOWN, 1, 4, 4)
    assert first.images.dtype == torch.uint8
    assert not torch.equal(first.images, second.images)
    assert (second.step, second.epoch) == (2, 0.2)


def test_there_are_never_too_many_and_the_newest_stays():
    game, album = tiny_game(), SampleHistory()
    for step in range(3 * MOST):
        album.add(game.sampler(), 0, Progress(step))
        assert len(album.frames) <= MOST
        assert album.frames[-1].step == step
    steps = [frame.step for frame in album.frames]
    assert steps == sorted(set(steps))


def test_a_resumed_run_has_the_frames_of_one_that_never_stopped(tmp_path):
    plan = replace(PLAN, evaluate_every=10)
    listeners = Callbacks(evaluate=lambda sampler, game, progress: {"fid": 1.0})
    straight = new_training(tmp_path / "a", listeners, plan)
    straight.run()
    new_training(tmp_path / "b", listeners, replace(plan, steps=20)).run()
    resumed = new_training(tmp_path / "b", listeners, plan)
    resumed.run()
    assert [frame.step for frame in resumed.album.frames] == [10, 20, 30, 40]
    for one, other in zip(straight.album.frames, resumed.album.frames, strict=True):
        assert torch.equal(one.images, other.images)


def test_evaluations_under_other_rules_are_forgotten_and_the_weights_kept(tmp_path):
    scores = iter([1.0, 2.0, 7.0])
    listeners = Callbacks(evaluate=lambda sampler, game, progress: {"fid": next(scores)})
    first = new_training(tmp_path, listeners, replace(PLAN, steps=20, evaluate_every=10, rules="few samples"))
    first.run()
    second = new_training(tmp_path, listeners, replace(PLAN, steps=20, evaluate_every=10, rules="many samples"))
    second.run()
    assert [row["fid"] for row in second.history.metrics] == [7.0]
    assert [frame.step for frame in second.album.frames] == [20]
    assert second.history.losses == first.history.losses
