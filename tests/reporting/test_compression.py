"""The table of compressed generators, and its front."""

from __future__ import annotations

from itertools import combinations

from papergan.metrics.registry import METRICS
from papergan.reporting.compression import (
    QUALITY,
    CompressionResult,
    Timing,
    compression_table,
    draw_front,
    pareto_front,
)


def result(name, *, seconds, fid, size, **more):
    return CompressionResult(
        name=name, what=more.pop("what", {}), bytes=size, bytes_packed=size, deviation=0.0,
        timings=(Timing(runtime="torch", batch=1, seconds=seconds, spread=0.0),),
        scores=tuple({"domain_fid": value} for value in fid), **more,
    )  # fmt: skip


RESULTS = [
    result("float32", seconds=0.004, fid=(10.0, 12.0), size=4096, parameters=1000, macs=2_000_000),
    result("half", seconds=0.001, fid=(21.0, 23.0), size=1024, what={"keep_channels": 0.5}),
    CompressionResult(name="none", what={"keep_channels": 0.1}, failed="too thin"),
]


def test_every_quality_is_a_metric():
    assert set(QUALITY) <= METRICS.keys()


def test_the_front_has_what_nothing_beats_in_both():
    assert pareto_front([(1, 5), (2, 2), (3, 3), (4, 1), (1, 6)]) == [0, 1, 3]
    assert pareto_front([(1, 1), (1, 1)]) == [0, 1]


def test_the_table_has_ratios_to_the_baseline_and_says_what_was_not_possible():
    rows = compression_table(RESULTS, "float32").set_index("variant")
    assert rows.loc["half", "KiB"] == "1 (4.0x smaller)"
    assert rows.loc["half", "ms of 1, torch"] == "1.00 ± 0.00 (x4.00)"
    assert rows.loc["float32", "domain_fid"] == "11 ± 1.4"
    assert rows.loc["half", "domain_fid"] == "22 ± 1.4 (+100%)"
    assert rows.loc["none", "what"] == "not possible: too thin"
    assert rows.loc["float32", "what"] == "as it was trained"


def test_images_per_second_are_those_of_the_largest_batch_by_its_faster_runtime():
    seconds = {("torch", 1): 0.001, ("torch", 50): 0.2, ("onnx", 50): 0.1}
    times = tuple(Timing(runtime=name, batch=n, seconds=one, spread=0.0) for (name, n), one in seconds.items())
    (row,) = compression_table([CompressionResult(name="all", what={}, timings=times)], "all").to_dict("records")
    assert row["images per second"] == "500"


def test_the_figure_names_every_variant_that_was_measured():
    axes = draw_front(RESULTS, 1, "t").axes[0]
    assert {text.get_text() for text in axes.texts} == {"float32", "half"}


def test_labels_of_near_points_do_not_lie_on_one_another():
    near = [result(f"a_variant_{n}", seconds=0.001 * (1 + 0.05 * n), fid=(50.0,), size=1) for n in range(4)]
    figure = draw_front([*RESULTS, *near], 1, "t")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 6
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
