"""What every node that works for long shares: it can be stopped, and no signal is lost."""

from __future__ import annotations

import signal

import pytest

from papergan.errors import EvaluationStopped, Interrupted
from papergan.training.signals import stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_nobody_looked_for_is_obeyed_when_the_work_is_done(number):
    done = []
    with (
        pytest.raises(Interrupted, match=f"stopped by signal {number.value} in the last batch") as stop,
        stoppable("the last batch"),
    ):
        signal.raise_signal(number)
        done.append("all of it")
    assert done == ["all of it"]
    assert stop.value.code == 128 + number


def test_work_that_looks_stops_where_it_is():
    with pytest.raises(Interrupted, match="in a batch"), stoppable("a batch") as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop() == signal.SIGTERM
        assert stop.requested()
        raise EvaluationStopped("after 3 batches")


def test_an_error_of_the_work_is_not_hidden_by_a_signal():
    with pytest.raises(ZeroDivisionError), stoppable("work"):
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError


def test_without_a_signal_nothing_happens():
    with stoppable("work") as stop:
        assert stop() is None
        assert not stop.requested()
