"""Progress without a terminal: lines in the log, at most every half minute, with the time that is left."""

from __future__ import annotations

import logging

import pytest

from papergan.training import progress_bar
from papergan.training.progress_bar import ProgressBar


@pytest.fixture
def lines(caplog, monkeypatch):
    monkeypatch.setattr(progress_bar, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level(logging.INFO, logger=progress_bar.__name__)
    return caplog


def test_a_report_says_what_is_left(lines):
    with ProgressBar(100, 10) as bar:
        bar.report({"step": 40.0, "generator.generator_loss": 0.5, "images_per_second": 64.2}, 2.0)
    assert lines.messages == ["training: step 40 of 100, generator 0.500, img/s 64; about 0:02:00 left"]


def test_a_report_says_the_level_of_networks_that_grow(lines):
    with ProgressBar(100, 10) as bar:
        bar.report({"step": 40.0, "networks.level": 1.0625, "images_per_second": 64.2}, 2.0)
    assert lines.messages == ["training: step 40 of 100, level 1.062, img/s 64; about 0:02:00 left"]


def test_other_trainings_have_their_own_unit_and_need_no_facts(lines):
    with ProgressBar(8, 0, "domain classifier", "batch") as bar:
        bar.step()
        with bar.aside():
            logging.getLogger(progress_bar.__name__).info("epoch 1")
        bar.show(2, 10.0)
    assert lines.messages == ["epoch 1", "domain classifier: batch 2 of 8; about 0:01:00 left"]


def test_lines_keep_their_distance(caplog):
    caplog.set_level(logging.INFO, logger=progress_bar.__name__)
    with ProgressBar(100, 0) as bar:
        for step in range(50):
            bar.show(step, 1.0)
    assert caplog.messages == []
