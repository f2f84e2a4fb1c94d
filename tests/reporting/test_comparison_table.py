from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers.cards import Card, card, demo_card, metrics, protocol
from papergan.errors import EvaluationError
from papergan.metrics.registry import METRICS
from papergan.reporting.column_headers import TRANSLATED, is_headline
from papergan.reporting.comparison_table import comparison_table, run_of_line
from papergan.reporting.published_results import PublishedRow, published_rows
from papergan.reporting.rendering import is_derived, parts_of, to_console
from papergan.reporting.seed_groups import Measured, ranks

FILE = Path(__file__).parents[2] / "conf" / "base" / "published.yml"
INCEPTION_FID = "fid@10000v50000-train-inception"
INCEPTION_IS = "is@10000/10-inception"
DOMAIN_FID = "domain_fid@500v2000-train"


@pytest.fixture(scope="module")
def published() -> tuple[PublishedRow, ...]:
    return published_rows({"tahvili2025": yaml.safe_load(FILE.read_text())["tahvili2025"]})


def proposed(table: pd.DataFrame, experiment: str, title: str = "Table V") -> pd.Series:
    found = table[(table["table"] == title) & (table["row"] == "Proposed Model") & (table["experiment"] == experiment)]
    assert len(found) == 1
    return found.iloc[0]


def test_without_scores_it_is_the_published_table_and_nothing_is_invented(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {})
    assert len(table) == 25
    assert table["published"].tolist() == [row.value for row in published]
    assert table["experiment"].isna().all()
    assert table["flags"].isna().all()
    assert not [name for name in table.columns if "@" in name]


def test_one_line_per_variant_and_empty_cells_for_the_rest(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"a": card(), "b": card("hybrid_all"), "c": card("dcgan_cifar10")})
    assert len(table) == 25 + 2  # one more variant of the proposed model in each of the two tables
    measured = table[table["experiment"].notna()]
    assert sorted(measured["experiment"]) == ["dcgan_cifar10"] * 2 + ["hybrid_all"] * 2 + ["hybrid_cifar10"] * 2
    assert table[table["experiment"].isna()][INCEPTION_FID].isna().all()


def test_measured_cells(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"a": card()})
    row = proposed(table, "hybrid_cifar10")
    assert (row["published"], row["published epoch"]) == (20.90, 920)
    assert row[INCEPTION_FID] == 30
    assert row[f"{INCEPTION_FID} floor@10000"] == 3
    assert row[f"{INCEPTION_FID} floor@10000 ratio"] == 10
    assert f"{INCEPTION_FID} floor@10000 as many" not in table.columns
    assert (row[INCEPTION_IS], row[f"{INCEPTION_IS} std"]) == (6.0, 0.1)
    assert (row[f"best {INCEPTION_FID}"], row["best_fid_epoch"]) == (25, 900)
    assert (row[f"best {INCEPTION_IS}"], row["best_is_epoch"]) == (6.5, 800)
    assert pd.isna(row["best_likelihood_epoch"])  # not measured
    assert (row["discriminator_accuracy_zero"], row["discriminator_accuracy_midpoint"]) == (0.5, 0.9)
    assert row["commit"] == "0123456789ab"
    assert row["extractors"] == "inception iiiiiiii"
    assert row["versions"] == "papergan 0.1.0, torch 2.15.0"
    assert (row["num_samples"], row["epochs"], row["seeds"]) == ("inception 10000", 1000, "0")
    assert row["status"] == "finished"
    assert pd.isna(row["flags"]) or row["flags"] == ""


def test_a_demo_never_stands_as_if_it_were_the_published_data_set(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"a": card(), "demo": demo_card()})
    (demo,), real = table[table["experiment"] == "hybrid_fast"].to_dict("records"), proposed(table, "hybrid_cifar10")
    assert demo["dataset"] == "synthetic_shapes"
    assert demo["row"] == "(on other data than published)"
    assert pd.isna(demo["published"])
    assert "no Inception scores" in demo["flags"]
    assert "uncommitted" in demo["flags"]
    assert demo["commit"].endswith("+dirty")
    assert pd.isna(demo[INCEPTION_FID])
    assert demo[DOMAIN_FID] == 30
    assert pd.isna(real[DOMAIN_FID])
    assert real["published"] == 20.90


def test_nothing_is_compared_with_a_published_number_where_there_is_none(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"demo": demo_card(), "new": demo_card() | {"experiment": "new_gan"}})
    (row,) = table[table["experiment"] == "new_gan"].to_dict("records")
    assert pd.isna(row["published"])
    assert row["flags"] == "no Inception scores; measured with uncommitted changes"
    domain_only = card("hybrid_all", protocols=demo_card()["protocols"], final=demo_card()["final"], best_fid=None)
    flags = proposed(comparison_table(published, {"a": domain_only | {"best_is": None}}), "hybrid_all")["flags"]
    assert "no Inception scores: its numbers are not comparable with the published one" in flags


def test_different_sample_counts_are_different_columns(published: tuple[PublishedRow, ...]) -> None:
    many = card(
        "hybrid_all", protocols=[protocol(num_samples=50000)], final=metrics(count=50000), best_fid=None, best_is=None
    )
    table = comparison_table(published, {"a": card(), "b": many})
    assert pd.isna(proposed(table, "hybrid_all")[INCEPTION_FID])
    assert proposed(table, "hybrid_all")["fid@50000v50000-train-inception"] == 30
    assert pd.isna(proposed(table, "hybrid_cifar10")["fid@50000v50000-train-inception"])


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"extractor_digest": "x" * 64}, "extractor_digest xxxxxxxx"),
        ({"reference_digest": "y" * 64, "reference_name": "svhn/train"}, "reference_name svhn/train"),
        ({"preprocessing": "bicubic"}, "preprocessing bicubic"),
    ],
)
def test_one_label_under_two_rulers_is_two_columns_that_say_why(
    published: tuple[PublishedRow, ...], change: dict[str, object], shown: str
) -> None:
    other = card("hybrid_all", protocols=[protocol(**change)])
    table = comparison_table(published, {"a": card(), "b": other})
    columns = [name for name in table.columns if name.startswith(f"{INCEPTION_FID} [") and name.endswith("]")]
    assert len(columns) == 2
    assert INCEPTION_FID not in table.columns
    assert any(shown in name for name in columns)
    assert not (table[columns[0]].notna() & table[columns[1]].notna()).any()


def test_more_samples_than_held_out_images_are_divided_at_equal_counts(published: tuple[PublishedRow, ...]) -> None:
    many = card(
        protocols=[protocol(num_samples=50000)], final=metrics(count=50000, fid_at_floor_count=33.0), best_fid=None,
        best_is=None,
    )  # fmt: skip
    table = comparison_table(published, {"a": many})
    row = proposed(table, "hybrid_cifar10")
    header = "fid@50000v50000-train-inception"
    assert row[header] == 30
    assert row[f"{header} floor@10000"] == 3
    assert row[f"{header} floor@10000 as many"] == 33
    assert row[f"{header} floor@10000 ratio"] == 11
    line = next(line for line in to_console(table, 200).splitlines() if " fid[" in line)
    assert " 11.00" in line
    assert f"{header}; x floor: both of 10000 images" in to_console(table, 200)


def test_numbers_with_other_images_held_out_never_share_a_column(published: tuple[PublishedRow, ...]) -> None:
    copied = {"copy_rate": 0.1, "pixel_copy_rate": 0.2, "parzen_ll_historical": 1.0}
    cards = {
        name: card(name, protocols=[protocol(held_out_digest=digest * 64)], final=metrics() | copied)
        for name, digest in (("hybrid_cifar10", "h"), ("hybrid_all", "g"))
    }
    table = comparison_table(published, cards)
    first, second = (proposed(table, name) for name in cards)
    assert first[INCEPTION_FID] == second[INCEPTION_FID] == 30  # which does not depend on them
    for label in ("copies@", "pixel_copies@", "parzen@", f"{INCEPTION_FID} floor@"):
        columns = [name for name in table.columns if name.startswith(label) and "[held_out_digest" in name]
        assert columns
        assert not [name for name in table.columns if name.startswith(label) and name not in columns]
        for name in columns:
            assert pd.isna(first[name]) or pd.isna(second[name])
    for name in cards:
        line = next(line for line in to_console(table, 200).splitlines() if name in line and " fid[" in line)
        assert " 10.00" in line


def test_a_card_of_before_protocols_said_what_was_held_out_is_named(published: tuple[PublishedRow, ...]) -> None:
    before = {name: value for name, value in protocol().items() if name != "held_out_digest"}
    with pytest.raises(EvaluationError, match="scores of a: made by an earlier version.*; evaluate the run again"):
        comparison_table(published, {"a": card(protocols=[before])})


def test_inception_scores_by_classifiers_of_two_data_sets_never_share_a_column(
    published: tuple[PublishedRow, ...],
) -> None:
    """Their FID labels differ already, by the size of the reference; their Inception Score labels would not."""
    rules = protocol("domain", num_samples=500, extractor_digest="z" * 64)
    real = card("hybrid_all", protocols=[rules], final=metrics("domain_", 500), best_fid=None, best_is=None)
    table = comparison_table(published, {"a": real, "demo": demo_card()})
    columns = [name for name in table.columns if name.startswith("domain_is@500/10 [") and name.endswith("]")]
    assert len(columns) == 2
    assert "domain_is@500/10" not in table.columns
    assert any("synthetic_shapes/train" in name for name in columns)
    assert not (table[columns[0]].notna() & table[columns[1]].notna()).any()


def test_runs_with_other_seeds_and_weights_share_columns_and_show_both(published: tuple[PublishedRow, ...]) -> None:
    other = card("hybrid_all", seed=1, protocols=[protocol(seed=1, weights="raw")])
    table = comparison_table(published, {"a": card(), "b": other})
    row = proposed(table, "hybrid_all")
    assert row[INCEPTION_FID] == 30
    assert row["seeds"] == "1"
    assert "raw weights" in row["protocol"]
    assert "latents of seed 1" in row["protocol"]


@pytest.mark.parametrize("text", ["diverged at step 1234", "at step 1234: the loss is NaN"])
def test_a_diverged_run_says_so(published: tuple[PublishedRow, ...], text: str) -> None:
    failed = card(diverged=text, final={}, best_fid=None, best_is=None, protocols=[])
    row = proposed(comparison_table(published, {"a": failed}), "hybrid_cifar10")
    assert row["status"].startswith("diverged")
    assert "step 1234" in row["status"]
    assert row["status"] in row["flags"]


def test_an_experiment_of_no_row_is_shown_all_the_same(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"a": card("began_thesis")})
    assert table.iloc[-1]["row"] == "(no published row)"
    assert table.iloc[-1]["experiment"] == "began_thesis"
    assert pd.isna(table.iloc[-1]["published"])


def seeds(*distances: float, **changes: object) -> dict[str, Card]:
    """Cards of one experiment whose seeds are 0, 1, ... and whose FIDs are these."""
    return {
        f"s{seed}": card(seed=seed, final=metrics(fid=fid), protocols=[protocol(seed=seed)], **changes)
        for seed, fid in enumerate(distances)
    }


def test_several_seeds_are_one_line_of_mean_and_deviation(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, seeds(28.0, 30.0, 32.0))
    assert len(table) == 25
    row = proposed(table, "hybrid_cifar10")
    assert (row[INCEPTION_FID], row[f"{INCEPTION_FID} std"]) == (30, 2)
    assert row["seeds"] == "0, 1, 2"
    assert "means of seeds 0, 1, 2" in row["flags"]
    assert row[f"best {INCEPTION_FID}"] == 25
    assert pd.isna(row["best_fid_epoch"])  # each seed has its own


def test_every_variant_budget_and_set_of_rules_has_a_row_of_its_own(published: tuple[PublishedRow, ...]) -> None:
    cards = {
        "variant": card(seed=5, variant="w" * 12, final=metrics(fid=99.0)),
        "budget": card(seed=6, steps=10, final=metrics(fid=99.0)),
        "rules": card(seed=7, protocols=[protocol(truncation=0.5)], final=metrics(fid=99.0)),
        **seeds(29.0, 31.0),
    }
    table = comparison_table(published, cards)
    rows = table[
        (table["experiment"] == "hybrid_cifar10") & (table["row"] == "Proposed Model") & (table["metric"] == "FID")
    ]
    assert rows["seeds"].tolist() == ["0, 1", "7", "6", "5"]  # the newest first
    assert rows["variant"].is_unique
    assert "truncation 0.5" in rows["variant"].tolist()[1]
    assert "steps 10" in rows["variant"].tolist()[2]
    assert f"recipe {'w' * 8}" in rows["variant"].tolist()[3]
    alone = comparison_table(published, {"a": card()})
    assert alone["variant"].fillna("").eq("").all()


@pytest.mark.parametrize(
    ("notes", "variants"),
    [
        ((["widths=[64, 256]"], ["widths=[64, 512]"]), ["widths [64, 512]", "widths [64, 256]"]),
        (
            (["mix={'pixels': 10.0, 'rate': 1.0}", "a=(1, 2)"], ["mix={'pixels': 5.0, 'rate': 1.0}", "a=(1, 2)"]),
            ["mix {'pixels': 5.0, 'rate': 1.0}", "mix {'pixels': 10.0, 'rate': 1.0}"],
        ),
        (
            (["a=1", "b=[['x, y=1'], 2]", "c=3"], ["a=1", "b=[['x, y=2'], 2]"]),
            ["b [['x, y=2'], 2], c as the paper has it", "b [['x, y=1'], 2], c 3"],
        ),
    ],
)
def test_a_variant_is_told_by_the_whole_value_of_what_differs(notes, variants):
    cards = {
        str(place): card("gmmn_mnist", notes=[f"with {', '.join(settings)}"], variant=f"{place}" * 12)
        for place, settings in enumerate(notes)
    }
    assert comparison_table([], cards)["variant"].tolist() == variants


def test_seeds_of_one_recipe_under_rules_that_no_name_tells_are_two_runs_in_every_table():
    cards = {"old": card(), "new": card(seed=1, protocols=[protocol(kid_subsets=50)])}
    table = comparison_table([], cards)
    assert table["variant"].tolist() == [f"recipe {'v' * 8}, seeds 1", f"recipe {'v' * 8}, seeds 0"]
    assert dict(parts_of(table))["Runs"]["seeds"].tolist() == ["1", "0"]
    assert len(run_of_line(cards)) == 2


def test_a_seed_that_diverged_is_counted_and_not_averaged(published: tuple[PublishedRow, ...]) -> None:
    failed = card(seed=2, diverged="diverged at step 7", final={}, best_fid=None, best_is=None, protocols=[])
    row = proposed(comparison_table(published, {**seeds(29.0, 31.0), "failed": failed}), "hybrid_cifar10")
    assert row[INCEPTION_FID] == 30
    assert row["seeds"] == "0, 1, 2"
    assert "1 of 3 seeds diverged" in row["status"]
    assert "1 of 3 seeds diverged" in row["flags"]


def test_the_deviation_of_one_run_is_that_of_its_bootstrap_and_splits(published: tuple[PublishedRow, ...]) -> None:
    one = card(final=metrics() | {"fid_bootstrap": 0.7})
    row = proposed(comparison_table(published, {"a": one}), "hybrid_cifar10")
    assert row[f"{INCEPTION_FID} std"] == 0.7
    assert row[f"{INCEPTION_IS} std"] == 0.1


def test_ranks_say_when_a_difference_is_inside_the_noise(published: tuple[PublishedRow, ...]) -> None:
    cards = {
        name: card(name, final=metrics(fid=fid) | {"fid_bootstrap": 1.0})
        for name, fid in (("hybrid_cifar10", 20.0), ("hybrid_all", 21.0), ("hybrid_fast", 30.0))
    }
    table = comparison_table(published, cards)
    found = {name: proposed(table, name)[f"{INCEPTION_FID} rank"] for name in cards}
    assert found == {"hybrid_cifar10": "1-2", "hybrid_all": "1-2", "hybrid_fast": "3"}


def test_ranks_of_what_is_best_at_half_go_by_the_distance_from_there():
    metric = METRICS["two_sample_accuracy"]
    either_side = [Measured(0.40, 0.01, 3), Measured(0.61, 0.01, 3), Measured(0.80, 0.01, 3)]
    assert ranks(metric, either_side) == ["1-2", "1-2", "3"]


REAL_ROWS = [
    {
        "name": name, "dataset": f"cifar10/{name.split()[1]}", "protocols": [protocol(num_samples=count)],
        "metrics": metrics(count=count, fid=fid) | {"recall": 0.9, "ms_ssim": 0.1},
    }
    for name, count, fid in (("real test set", 10000, 3.0), ("train copies", 10000, 0.0))
]  # fmt: skip


def test_real_images_stand_below_by_the_same_rules(published: tuple[PublishedRow, ...]) -> None:
    cards = {"a": card(real_rows=REAL_ROWS), "b": card("hybrid_all", real_rows=REAL_ROWS)}
    table = comparison_table(published, cards)
    real = table[table["status"] == "real images"]
    assert real["row"].tolist() == ["real test set", "train copies"]  # once, whoever brought them
    assert real[INCEPTION_FID].tolist() == [3.0, 0.0]
    assert real["recall@10000v10000-train/k3-inception"].tolist() == [0.9, 0.9]
    assert real["experiment"].isna().all()


def test_real_images_of_another_count_stand_in_a_column_of_their_own(published: tuple[PublishedRow, ...]) -> None:
    many = card(
        protocols=[protocol(num_samples=50000)], final=metrics(count=50000), best_fid=None, best_is=None,
        real_rows=REAL_ROWS,
    )  # fmt: skip
    table = comparison_table(published, {"a": many})
    assert proposed(table, "hybrid_cifar10")["fid@50000v50000-train-inception"] == 30
    assert pd.isna(proposed(table, "hybrid_cifar10")[INCEPTION_FID])
    assert table[table["status"] == "real images"][INCEPTION_FID].tolist() == [3.0, 0.0]


def test_an_invalid_card_is_named(published: tuple[PublishedRow, ...]) -> None:
    broken: Card = card() | {"surprise": 1}
    with pytest.raises(EvaluationError, match="scores of a: surprise"):
        comparison_table(published, {"a": broken})


def test_csv_keeps_the_numbers(published: tuple[PublishedRow, ...]) -> None:
    table = comparison_table(published, {"a": card(), "demo": demo_card()})
    again = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    assert again.columns.tolist() == table.columns.tolist()
    assert again[INCEPTION_FID].dropna().tolist() == [30.0, 30.0]
    assert again["published"].notna().sum() == len(again) - 1


def test_columns_of_conditional_games_stand_where_there_are_any_and_are_no_headline() -> None:
    rules = protocol() | {"class_samples": 8000, "cas_samples": 900, "cas_epochs": 6, "cas_width": 32}
    found = {"intra_fid": 30.0, "class_accuracy": 0.5, "cas": 0.4, "intra_fid_class_3": 31.0}
    conditional = card(experiment="dcgan_labels_cifar10", protocols=[rules], final=metrics() | found)
    table = comparison_table([], {"a": card(), "b": conditional})
    columns = ["intra_fid@8000v50000-train-inception", "class_accuracy@10000-inception", "cas@900/6x32"]
    both = table.set_index("experiment")[columns]
    assert both.loc["dcgan_labels_cifar10"].tolist() == [30.0, 0.5, 0.4]
    assert both.loc[card()["experiment"]].isna().all()
    assert not any(is_headline(name) for name in columns)
    assert not any("class_3" in name for name in table.columns)
    assert not set(columns) & set(comparison_table([], {"a": card()}).columns)


def test_the_way_back_of_a_translation_is_no_headline_and_stands_behind_the_other_direction() -> None:
    there, back = (protocol("domain") | {"direction": direction} for direction in ("", "b_to_a"))
    final = {**metrics("domain_"), **metrics("b_to_a_domain_", fid=50.0), "cycle_error": 9.0, "b_to_a_cycle_error": 8.0}
    rules = [there, back | {"reference_digest": "x" * 64}]
    one = card("cyclegan_horse_deer", protocols=rules, final=final, best_fid=None, best_is=None)
    table = comparison_table([], {"a": one})
    names = [name for name in table.columns if not is_derived(name)]
    headers = [next(name for name in names if name.startswith(start)) for start in (
        "domain_fid@", "b_to_a_domain_fid@", "cycle_error@", "b_to_a_cycle_error@",
    )]  # fmt: skip
    assert [is_headline(name) for name in headers] == [True, False, False, False]
    assert is_headline(headers[2], TRANSLATED)
    assert [table[name][0] for name in headers] == [30.0, 50.0, 9.0, 8.0]
    places = [table.columns.get_loc(name) for name in headers]
    assert places[2] < table.columns.get_loc("discriminator_accuracy_zero")
    assert places[0] < places[1]
