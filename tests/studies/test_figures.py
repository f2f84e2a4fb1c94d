"""Figures of a study, of results that are made up."""

from types import SimpleNamespace

import pytest

from papergan.studies import figures


def drawn(draw, *histories):
    """The points of the mean line that `draw` makes of a group with these histories, one of each seed."""
    group = SimpleNamespace(
        name="plain", grid="table", dataset="mnist", choices={"experiment": "plain"},
        trial=SimpleNamespace(experiment="plain", levels={}),
        results=tuple(SimpleNamespace(history=history) for history in histories),
    )  # fmt: skip
    lines = draw([group], "title").axes[0].get_lines()
    (mean,) = (line for line in lines if line.get_label() in ("plain", "generator"))
    return list(zip(mean.get_xdata(), mean.get_ydata(), strict=True))


def history(*epochs, off=0.0):
    """Of a run whose FID and loss are 100 - 5 epoch + off."""
    rows = [{"epoch": float(epoch), "value": 100.0 - 5 * epoch + off} for epoch in epochs]
    return SimpleNamespace(
        metrics=[{"epoch": row["epoch"], "domain_fid": row["value"]} for row in rows],
        losses=[{"epoch": row["epoch"], "generator.loss": row["value"]} for row in rows],
    )


@pytest.mark.parametrize("draw", [figures.scores, figures.losses])
@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ([history(1, 2, 3, 4, 5, 10, 15), history(5, 10, 15, off=2)], [(5, 76), (10, 51), (15, 26)]),
        ([history(5, 10, 15), history(5)], [(5, 75)]),
        ([history(1, 2), history(3)], []),
        ([history(1, 2)], [(1, 95), (2, 90)]),
    ],
)
def test_means_are_of_values_at_one_epoch(draw, histories, expected):
    assert drawn(draw, *histories) == expected
