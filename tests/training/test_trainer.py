"""The loop: budget, reports, evaluation, the best generators, interruption and resumption."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import pytest
import torch

from helpers.tiny_game import tiny_game
from helpers.training_run import SETTINGS, digest, new_training
from papergan.errors import CheckpointError, Interrupted, NotFiniteError
from papergan.training.best_generators import Criterion
from papergan.training.callbacks import Callbacks


def test_it_plays_to_the_end_of_the_plan_and_reports(tmp_path):
    rows = []
    training = new_training(tmp_path, Callbacks(report=rows.append))
    training.run()
    assert training.step == SETTINGS.steps == 40
    assert [row["step"] for row in rows] == [10, 20, 30, 40]
    assert rows == training.history.losses
    assert rows[-1]["images"] == 40 * 8
    assert rows[-1]["epoch"] == pytest.approx(40 / 7)  # 60 images make 7 batches of 8
    assert {"discriminator.discriminator_loss", "generator.generator_loss", "images_per_second"} <= rows[0].keys()


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("papergan.training.progress_bar.SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO")
    new_training(tmp_path).run()
    start = "training: step 20 of 40, discriminator "
    lines = [record.message for record in caplog.records if record.message.startswith(start)]
    assert len(lines) == 1
    assert "img/s" in lines[0]
    assert "left" in lines[0]


def test_the_ambient_random_state_is_left_alone_and_does_not_matter(tmp_path):
    first = new_training(tmp_path / "a")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first.run()
    assert torch.equal(torch.get_rng_state(), before)
    second = new_training(tmp_path / "b")
    torch.manual_seed(2)
    second.run()
    assert digest(first) == digest(second)


def test_how_often_one_looks_changes_nothing(tmp_path):
    def evaluate(sampler, game, progress):
        torch.rand(3)
        return {"score": float(next(sampler.stream(4, seed=0)).mean())}

    seldom = new_training(tmp_path / "a")
    often = new_training(
        tmp_path / "b", Callbacks(evaluate=evaluate), replace(SETTINGS, evaluate_every=3, report_every=7)
    )
    seldom.run(), often.run()
    assert digest(seldom) == digest(often)
    assert [row["step"] for row in often.history.metrics] == [3 * k for k in range(1, 14)] + [40]


def test_the_best_generators_are_kept_by_their_own_metrics(tmp_path):
    scores = iter([5.0, 2.0, 4.0, 3.0])
    expected = {}

    def evaluate(sampler, game, progress):
        expected[progress.step] = {k: t.clone() for k, t in sampler.state_dict().items()}
        score = next(scores)
        return {"fid": score, "is": -score if progress.step < 40 else 9.0}

    keep = {"best_fid": Criterion("fid", True), "best_is": Criterion("is", False), "best_kid": Criterion("kid", True)}
    training = new_training(tmp_path, Callbacks(evaluate=evaluate), replace(SETTINGS, evaluate_every=10, keep=keep))
    training.run()
    best = training.best.snapshots
    assert {name: (kept.step, kept.value) for name, kept in best.items()} == {
        "best_fid": (20, 2.0),
        "best_is": (40, 9.0),
    }
    for key, tensor in best["best_fid"].weights.items():
        assert torch.equal(tensor, expected[20][key])


def test_evaluation_sees_re_estimated_batch_norm_and_does_not_leak_it(tmp_path):
    seen = []

    def evaluate(sampler, game, progress):
        seen.append((sampler.generator.norm.running_mean.clone(), game.sampler().generator.norm.running_mean.clone()))
        return {}

    new_training(tmp_path, Callbacks(evaluate=evaluate)).run()
    (published, averaged) = seen[-1]
    assert not torch.equal(published, averaged)


def test_a_stop_is_obeyed_at_the_step_and_the_run_goes_on_from_there(tmp_path):
    straight = new_training(tmp_path / "a")
    straight.run()
    steps = iter(range(1000))
    stopped = new_training(tmp_path / "b", Callbacks(stop=lambda: signal.SIGTERM if next(steps) == 13 else None))
    with pytest.raises(Interrupted, match="stopped by signal 15 at step 13") as stop:
        stopped.run()
    assert stop.value.code == 143
    history = []
    resumed = new_training(tmp_path / "b", Callbacks(resumed=history.append))
    resumed.run()
    assert history[0] is resumed.history
    assert digest(resumed) == digest(straight)
    assert without_clock(resumed) == without_clock(straight)


def test_a_stop_that_the_same_command_would_not_go_on_from_says_so(tmp_path):
    stopped = new_training(tmp_path, Callbacks(stop=lambda: signal.SIGTERM))
    stopped.settings = replace(stopped.settings, resume=False)
    with pytest.raises(Interrupted, match="at step 0; run again without training.resume=false to go on from there"):
        stopped.run()


def without_clock(training):
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in training.history.losses]


def test_a_stop_during_evaluation_repeats_the_evaluation(tmp_path):
    def stop(sampler, game, progress):
        raise Interrupted(2, "stopped")

    settings = replace(SETTINGS, evaluate_every=10)
    with pytest.raises(Interrupted):
        new_training(tmp_path, Callbacks(evaluate=stop), settings).run()
    seen = []
    callbacks = Callbacks(evaluate=lambda sampler, game, progress: seen.append(progress.step) or {})
    new_training(tmp_path, callbacks, settings).run()
    assert seen == [10, 20, 30, 40]


def test_an_evaluation_that_is_stopped_is_not_in_the_training_time_either(tmp_path):
    def stop(sampler, game, progress):
        before.append(training.seconds)
        time.sleep(0.5)
        raise Interrupted(2, "stopped")

    before: list[float] = []
    training = new_training(tmp_path, Callbacks(evaluate=stop), replace(SETTINGS, evaluate_every=10))
    with pytest.raises(Interrupted):
        training.run()
    assert before[0] <= training.seconds < before[0] + 0.5


def test_a_finished_run_is_not_trained_again_and_a_longer_plan_extends_it(tmp_path):
    new_training(tmp_path).run()
    again = new_training(tmp_path)
    again.run()
    assert len(again.history.losses) == 4
    longer = new_training(tmp_path, settings=replace(SETTINGS, steps=60))
    longer.run()
    straight = new_training(tmp_path / "other", settings=replace(SETTINGS, steps=60))
    straight.run()
    assert digest(longer) == digest(straight)
    with pytest.raises(CheckpointError, match="trained for 60 steps already, the recipe asks for 40"):
        new_training(tmp_path).run()


def test_not_finite_stops_the_run_and_the_checkpoint_is_from_before(tmp_path):
    training = new_training(tmp_path, settings=replace(SETTINGS, save_minutes=1e-9))
    training_step = training._run_step

    def poisoned():
        if training.step == 14:
            with torch.no_grad():
                training.game.networks["generator"].linear.weight[0, 0] = torch.inf
        training_step()

    training._run_step = poisoned
    with pytest.raises(NotFiniteError, match="step 14, discriminator: discriminator_loss=(nan|inf), gradient_norm=nan"):
        training.run()
    latest = training.store.latest()
    assert latest.step <= 14
    assert all(torch.isfinite(t).all() for t in latest.state["game"]["networks"].values())


def test_checkpoints_of_another_game_are_refused(tmp_path):
    new_training(tmp_path).run()
    other = new_training(tmp_path, game=tiny_game(average=None))
    other.game.networks["generator"].linear = torch.nn.Linear(5, 17)
    said = r"step 40 is of another game.*generator\.linear\.bias is \[16\], expected \[17\]"
    with pytest.raises(CheckpointError, match=said):
        other.run()


def test_values_of_single_steps_are_reported_as_a_script_prints_them(tmp_path):
    every = new_training(tmp_path / "every", settings=replace(SETTINGS, report_every=1))
    printed = new_training(tmp_path / "printed", settings=replace(SETTINGS, report_every=3, report_as="step"))
    for training in (every, printed):
        training.run()
    each = {row["step"]: row for row in every.history.losses}
    assert [row["step"] for row in printed.history.losses] == [
        3,
        6,
        10,
        13,
        17,
        20,
        24,
        27,
        31,
        34,
        38,
        40,
    ]  # 7 an epoch
    for row in printed.history.losses:
        assert {**row, "images_per_second": 0} == {**each[row["step"]], "images_per_second": 0}


def test_values_of_single_steps_survive_an_interruption(tmp_path):
    settings = replace(SETTINGS, report_every=3, report_as="step")
    straight = new_training(tmp_path / "straight", settings=settings)
    straight.run()
    stops = iter([None] * 11 + [15] * 9)
    stopped = new_training(tmp_path / "stopped", Callbacks(stop=lambda: next(stops)), settings=settings)
    with pytest.raises(Interrupted):
        stopped.run()
    again = new_training(tmp_path / "stopped", settings=settings)
    again.run()
    assert _without_rate(again) == _without_rate(straight)


def _without_rate(training):
    return [{**row, "images_per_second": 0} for row in training.history.losses]


def test_a_training_whose_batch_sizes_change_goes_on_bit_for_bit_across_a_change(tmp_path):
    sizes = {"batch_size": 16, "batch_sizes": {100: 8, 200: 4}}
    straight = new_training(tmp_path / "a", **sizes)
    straight.run()
    assert straight.progress.images == 7 * 16 + 11 * 8 + 22 * 4
    for stopped_at in (6, 7, 18):
        steps = iter(range(1000))
        stop = Callbacks(stop=lambda steps=steps, at=stopped_at: signal.SIGTERM if next(steps) == at else None)
        with pytest.raises(Interrupted):
            new_training(tmp_path / f"{stopped_at}", stop, **sizes).run()
        resumed = new_training(tmp_path / f"{stopped_at}", **sizes)
        resumed.run()
        assert digest(resumed) == digest(straight)
        assert _without_rate(resumed) == _without_rate(straight)
