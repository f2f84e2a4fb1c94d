"""The runner of trials by itself: order, what is finished, what is interrupted, what decides by results."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from papergan.studies.runner import run_trials
from papergan.tracking import Tracker


@dataclass(frozen=True)
class Number:
    value: int
    seed: int = 0
    tags: dict = field(default_factory=dict, compare=False)
    parameters: dict = field(default_factory=dict, compare=False)

    @property
    def name(self):
        return f"number {self.value}"

    @property
    def key(self):
        return f"{self.value}.{self.seed}"


class Store(dict):
    find = dict.get

    def keep(self, key, result):
        assert key not in self
        self[key] = result


class Runs(Tracker):
    def __init__(self):
        self.names = []

    @contextmanager
    def nested(self, name, parameters, tags):
        self.names.append(name)
        yield self


def squared(trial, tracker):
    return trial.value**2


def test_each_is_run_once_in_order_in_a_run_of_its_own_and_finished_ones_are_not():
    store, runs = Store({"2.0": 40}), Runs()
    results = run_trials([Number(3), Number(2), Number(3), Number(1, 5)], squared, store, runs)
    assert results == {"3.0": 9, "2.0": 40, "1.5": 1} == dict(store)
    assert runs.names == ["number 3/seed 0", "number 1/seed 5"]


def test_an_interrupted_one_is_not_kept_and_the_same_call_goes_on():
    store, broken = Store(), [2]

    def train(trial, tracker):
        if trial.value in broken:
            raise KeyboardInterrupt
        return trial.value

    trials = [Number(1), Number(2), Number(3)]
    with pytest.raises(KeyboardInterrupt):
        run_trials(trials, train, store, Tracker())
    assert dict(store) == {"1.0": 1}
    broken.clear()
    assert run_trials(trials, train, store, Tracker()) == {"1.0": 1, "2.0": 2, "3.0": 3}


def test_a_generator_of_trials_decides_by_the_results_so_far():
    store, seen = Store({"1.0": 1}), []

    def upward():
        for value in range(1, 100):
            if seen and seen[-1] > 10:
                return
            assert len(seen) == len(store) - (not seen)  # the result of the last one is kept, and told, by now
            yield Number(value)

    run_trials(upward(), squared, store, Tracker(), lambda trial, result: seen.append(result))
    assert seen == [1, 4, 9, 16]
