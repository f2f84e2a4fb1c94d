"""Content that stays, and motion that is recognised."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.evaluation.clip_scores import ClipTest
from papergan.extractors.feature_extractor import Features
from papergan.metrics.clips import content_kept, motion_entropy, motion_recognised


def sure_of(*classes: int, among: int) -> torch.Tensor:
    return 20.0 * torch.nn.functional.one_hot(torch.tensor(classes), among).float()


def test_a_clip_counts_where_all_its_frames_are_of_one_class():
    clips = torch.stack([sure_of(1, 1, 1, among=3), sure_of(1, 2, 1, among=3), sure_of(0, 0, 0, among=3)])
    assert content_kept(clips) == pytest.approx(2 / 3)


def test_a_motion_counts_whatever_it_is_that_moves():
    undecided = torch.tensor([[5.0, 0.0, 5.0, 0.0]])  # motion 0 of either content
    between = torch.tensor([[5.0, 5.0, 0.0, 0.0]])  # either motion of content 0
    assert motion_recognised(torch.cat([undecided, between]), 2) == 0.5
    assert motion_recognised(sure_of(3, among=4), 2) == 1.0
    assert motion_recognised(torch.tensor([[0.0, 2.1, 0.0, 2.1]]), 2) == 0.0  # 0.89


def test_the_smallest_probability_that_counts_is_included(monkeypatch):
    monkeypatch.setattr("papergan.metrics.clips.SURE", 0.5)
    assert motion_recognised(torch.zeros(1, 4), 2) == 1.0  # exactly one half for either motion


def test_motions_of_clips_are_spread_or_are_one():
    assert motion_entropy(sure_of(1, 3, 1, among=4), 2) == pytest.approx(0.0, abs=1e-6)  # motion 1 of either content
    assert motion_entropy(sure_of(0, 3, among=4), 2) == pytest.approx(1.0, abs=1e-6)
    assert motion_entropy(sure_of(0, 0, 0, 1, among=2), 2) == pytest.approx(0.8113, abs=1e-4)  # in bits: of 3/4 and 1/4
    with pytest.raises(EvaluationError, match="needs two of them"):
        motion_entropy(torch.zeros(1, 1), 1)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3), torch.zeros(0, 2, 3), torch.zeros(2, 3, 4, 5)])
def test_other_shapes_are_refused(wrong):
    with pytest.raises(EvaluationError, match="must have 3 axes"):
        content_kept(wrong)


def test_logits_must_be_of_motions():
    with pytest.raises(EvaluationError, match="with 4 motions each, got 6"):
        motion_recognised(torch.zeros(1, 6), 4)


def test_a_clip_is_scored_frame_by_frame_and_as_a_whole():
    class Classifier:
        """Of the value of the first pixel, sure."""

        name = "domain"

        def __call__(self, pixels):
            return Features(pixels[:, 0, :1, 0].float(), sure_of(*pixels[:, 0, 0, 0].tolist(), among=8))

    clips = torch.tensor([[0, 0, 0], [1, 1, 1], [5, 5, 2], [4, 4, 4]], dtype=torch.uint8)  # of three frames
    test = ClipTest(Classifier(), Classifier(), SimpleNamespace(frames=3), batch_size=3)
    assert test.score(clips[:, :, None, None].expand(-1, -1, 2, 2), "clips") == {
        "content_kept": 3 / 4, "motion_recognised": 1.0, "motion_entropy": pytest.approx(0.5, abs=1e-6),
    }  # fmt: skip
