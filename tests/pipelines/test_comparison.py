"""Score cards on disk to a table."""

from __future__ import annotations

import pytest
import yaml

from helpers.project_run import PROJECT, score_card
from papergan.config.checked import Comparison
from papergan.config.tools import ComparisonSettings
from papergan.datasets.page import Page, PageDataset
from papergan.datasets.scores import ScoreCardDataset, ScoreCardsDataset
from papergan.pipelines.comparison import compare

ALL = Comparison(ComparisonSettings())
PUBLISHED = yaml.safe_load((PROJECT / "conf" / "base" / "published.yml").read_text())


def test_the_table_holds_what_was_published_and_what_was_measured():
    comparison = compare(PUBLISHED, {"any name": score_card(final={"domain_fid": 12.25})}, {}, ALL)
    assert "20.9" in comparison.markdown
    assert "12.25" in comparison.markdown
    assert "hybrid_cifar10" in comparison.csv
    assert comparison.html.startswith("<!doctype html>")
    assert "12.25" in comparison.console


def test_the_card_of_the_run_that_asks_replaces_what_is_on_disk():
    old, new = (score_card(final={"domain_fid": value}) for value in (99.5, 12.25))
    comparison = compare(PUBLISHED, {"hybrid_cifar10 on synthetic_shapes/train": old}, {}, ALL, new)
    assert "12.25" in comparison.csv
    assert "99.5" not in comparison.csv


def settings(**given):
    return Comparison(ComparisonSettings.parse("comparison", given))


def test_no_run_takes_the_place_of_another_unless_that_is_asked_for():
    runs = [("a" * 12, 0, 99.5), ("a" * 12, 1, 77.25), ("b" * 12, 0, 12.25)]
    cards = {str(i): score_card(variant=v, seed=s, final={"domain_fid": x}) for i, (v, s, x) in enumerate(runs)}
    everything = compare(PUBLISHED, cards, {}, ALL).csv
    assert "88.375" in everything  # two seeds of one recipe
    assert "12.25" in everything
    newest = compare(PUBLISHED, cards, {}, settings(newest_only=True))
    assert "88.375" not in newest.csv
    assert "12.25" in newest.csv
    assert "2 runs are left out" in newest.markdown
    without = compare(PUBLISHED, cards, {}, settings(leave_out=["bbbb"])).csv
    assert "12.25" not in without
    assert "88.375" in without
    assert "12.25" not in compare(PUBLISHED, cards, {}, settings(leave_out=["hybrid_cifar10"])).csv


def save(folder, version, **changes):
    path = folder / changes.get("experiment", "hybrid_cifar10") / "scores.json" / version / "scores.json"
    ScoreCardDataset(filepath=str(path)).save(score_card(**changes))
    return path


def test_the_newest_card_of_each_experiment_and_data_set_is_taken(tmp_path):
    save(tmp_path, "2026-01-01", final={"domain_fid": 1.0})
    save(tmp_path, "2026-01-03", final={"domain_fid": 3.0})
    save(tmp_path, "2026-01-02", final={"domain_fid": 2.0})
    save(tmp_path, "2026-01-01", dataset="cifar10/train", final={"domain_fid": 4.0})
    save(tmp_path, "2026-01-01", experiment="dcgan_cifar10", final={"domain_fid": 5.0})
    cards = ScoreCardsDataset(filepath=str(tmp_path), models=str(tmp_path / "models")).load()
    found = {(card.experiment, card.dataset): card.final["domain_fid"] for card in cards.values()}
    assert found[("hybrid_cifar10", "synthetic_shapes/train")] == 3.0
    assert found[("hybrid_cifar10", "cifar10/train")] == 4.0
    assert found[("dcgan_cifar10", "synthetic_shapes/train")] == 5.0


@pytest.mark.parametrize("damage", ["{", "{}", '{"experiment": 1}'])
def test_a_damaged_card_is_named_and_the_one_before_it_taken(tmp_path, caplog, damage):
    save(tmp_path, "2026-01-01", final={"domain_fid": 1.0})
    broken = save(tmp_path, "2026-01-02", final={"domain_fid": 2.0})
    broken.write_text(damage)
    (card,) = ScoreCardsDataset(filepath=str(tmp_path), models=str(tmp_path / "models")).load().values()
    assert card.final["domain_fid"] == 1.0
    assert str(broken) in caplog.text


def test_the_comparison_is_read_back_as_it_was_written(tmp_path):
    dataset = PageDataset(filepath=str(tmp_path / "comparison"), stem="comparison")
    assert not dataset.exists()
    dataset.save(Page("# m", "a,b", "<p>", "printed"))
    assert dataset.load() == Page("# m", "a,b", "<p>")
    assert dataset.preview() == "<p>"
    assert dataset.exists()
