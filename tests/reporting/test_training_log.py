"""The training log, one line per epoch, beside what a paper printed."""

from __future__ import annotations

import pytest
import yaml

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.errors import EvaluationError
from papergan.pipelines.experiment.nodes.history import draw_curves, write_log
from papergan.project import PROJECT
from papergan.reporting.published_results import published_log, published_rows
from papergan.reporting.training_log import log_table
from papergan.training.history import History

PUBLISHED = yaml.safe_load((PROJECT / "conf/base/published.yml").read_text())
THESIS = published_log(PUBLISHED, "began_fashion_mnist")
RECIPES = yaml.safe_load((PROJECT / "conf/base/parameters/zaika2025.yml").read_text())


def report(step: int, **numbers: float) -> dict[str, float]:
    d, g, k, m = (numbers.get(name, step / 1e4) for name in ("d", "g", "k", "m"))
    return {
        "step": step, "epoch": step / 938, "images": 64 * step, "discriminator.discriminator_loss": d,
        "discriminator.gradient_norm": 1.0, "generator.generator_loss": g, "generator.gradient_norm": 1.0,
        "equilibrium.k": k, "equilibrium.measure": m, "images_per_second": 9.0,
    }  # fmt: skip


def history(epochs: int) -> History:
    """Reports as the thesis prints them: at steps 100, 200, ..., 900 of every epoch of 938."""
    made = History()
    made.losses = [report(938 * epoch + step) for epoch in range(epochs) for step in range(100, 901, 100)]
    return made


def test_the_thesis_has_eight_rows_of_step_900_of_938():
    assert (THESIS.step, THESIS.of, len(THESIS.rows)) == (900, 938, 8)
    assert THESIS.rows[0] == (0.1967, 0.1152, 0.0770, 0.2177)
    assert THESIS.rows[7] == (0.0796, 0.0359, 0.0060, 0.0839)
    for d, g, k, m in THESIS.rows:  # consistent in itself: M gives L(x), which gives the fakes' share in D_loss
        real = (m - g) / 0.5 if (m - g) / 0.5 * 0.5 <= g else (m + g) / 1.5
        assert 0 <= real - d <= k * 0.2


def test_steps_of_the_same_number_stand_side_by_side():
    table = log_table(history(2).losses, THESIS)
    assert table["epoch"].tolist() == list(range(1, 9))
    assert table["step"].tolist()[:2] == [900, 1838]
    assert table["step"].isna().sum() == 6
    assert table["M published"].tolist() == [row[3] for row in THESIS.rows]
    assert table["D_loss here"].tolist()[:2] == [0.09, 0.1838]
    assert table["k here"].isna().tolist() == [False] * 2 + [True] * 6


def test_the_nearest_report_of_the_epoch_serves_where_that_step_was_not_reported():
    table = log_table([report(850), report(938), report(1000), report(1800)], THESIS)
    assert table["step"].tolist()[:2] == [938, 1800]
    early = log_table(history(2).losses, THESIS.model_copy(update={"step": 320}))
    assert early["step"].tolist()[:2] == [300, 1238]


def test_more_epochs_than_were_published_are_all_there():
    table = log_table(history(9).losses, THESIS)
    assert table["epoch"].tolist() == list(range(1, 10))
    assert table["D_loss published"].isna().tolist() == [False] * 8 + [True]


def test_without_a_published_log_it_is_the_last_report_of_every_epoch():
    table = log_table(history(2).losses, None)
    assert table["epoch"].tolist() == [1, 2]
    assert table["step"].tolist() == [900, 1838]
    assert {"equilibrium.k", "discriminator.gradient_norm", "images_per_second"} <= set(table.columns)
    assert log_table([], None).empty


def thesis(**changes) -> Experiment:
    given = RECIPES["began_fashion_mnist"] | {"overrides": {"encoder_weights": "none"}} | changes
    return Experiment("began_fashion_mnist", Recipe.parse("began_fashion_mnist", given))


def test_the_page_says_what_differs_from_the_published_run():
    page = write_log(thesis(), history(2), PUBLISHED)
    assert "with encoder_weights=none" in page.markdown
    assert "nan" not in page.console
    assert "1.95949 epochs here, 8 published" in page.console
    assert "values of that step alone" in page.html
    other = write_log(Experiment("began_text", thesis().recipe), history(2), PUBLISHED)
    assert other.console == ""
    assert "published" not in other.markdown


def test_the_plot_has_both_losses_k_and_m_and_the_published_ones():
    figure, _ = draw_curves(thesis(), history(2), PUBLISHED)
    panels = {axes.get_title(): axes for axes in figure.axes}
    shown = {name: {line.get_label() for line in axes.lines} for name, axes in panels.items()}
    assert shown["losses, weighted"] == {
        "discriminator.discriminator_loss", "generator.generator_loss", "published D_loss", "published G_loss",
    }  # fmt: skip
    assert shown["equilibrium"] == {"equilibrium.k", "equilibrium.measure", "published k", "published M"}


def test_the_level_of_networks_that_grow_is_a_panel_and_a_column():
    grown = history(2)
    for row in grown.losses:
        row["networks.level"] = row["epoch"] / 2
    figure, _ = draw_curves(thesis(), grown, {})
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels["networks"].lines[0].get_ydata()) == [row["epoch"] / 2 for row in grown.losses]
    assert "networks.level" in write_log(thesis(), grown, {}).markdown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stepp": 3}, "zaika2025.training_log.stepp: Extra inputs are not permitted"),
        ({"rows": [[1.0, 2.0]]}, "the row of epoch 1 has 2 numbers for 4 columns"),
        ({"step": 939}, "there is no step 939 in an epoch of 938"),
        ({"experiments": []}, "zaika2025.training_log.experiments"),
    ],
)
def test_mistakes_are_named(change, message):
    document = PUBLISHED["zaika2025"]
    with pytest.raises(EvaluationError) as caught:
        published_rows({"zaika2025": document | {"training_log": document["training_log"] | change}})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
