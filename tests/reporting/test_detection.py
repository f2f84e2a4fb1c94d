"""The matrix of detectors and generators in words, numbers and colours."""

from __future__ import annotations

from papergan.reporting.detection import DetectionResult, detection_sentences, detection_table, draw_detection

CELLS = {("a", "a"): 1.0, ("a", "b"): 0.6, ("b", "a"): 0.7, ("b", "b"): 0.9}
RESULTS = [
    DetectionResult(
        trained_on=one,
        tested_on=other,
        seed=seed,
        accuracy=value - 0.02 * seed,
        detected=0.0,
        false_alarms=0.0,
        auc=0.5,
    )
    for seed in (0, 1)
    for (one, other), value in CELLS.items()
]


def test_a_row_per_detector_and_a_column_per_generator() -> None:
    table = detection_table(RESULTS, "accuracy").set_index("detector of")
    assert list(table.columns) == list(table.index) == ["a", "b"]
    assert table.loc["a", "b"] == "0.590 ± 0.014"
    assert detection_table(RESULTS[:4], "auc")["b"].tolist() == ["0.500", "0.500"]


def test_what_it_says_of_known_and_of_unknown_generators() -> None:
    known, unknown = detection_sentences(RESULTS)
    assert "right on 94.0% of the images of the generator that it has learned from" in known
    assert "89.0% at the least (b on b; area under the ROC curve 0.500)" in known
    assert "right on 64.0% of the images of any other generator" in unknown
    assert "59.0% at the least (a on b" in unknown
    assert len(detection_sentences([one for one in RESULTS if one.trained_on == one.tested_on == "a"])) == 1


def test_the_picture_has_a_number_in_every_square() -> None:
    first, second = draw_detection(RESULTS, "t").axes
    assert [text.get_text() for text in first.texts] == ["0.99", "0.59", "0.69", "0.89"]
    assert [label.get_text() for label in second.get_xticklabels()] == ["a", "b"]
