from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from papergan.config.papers import citation
from papergan.errors import EvaluationError
from papergan.reporting.published_results import PublishedRow, published_notes, published_rows

FILE = Path(__file__).parents[2] / "conf" / "base" / "published.yml"
HYBRIDS = ("hybrid_cifar10", "hybrid_logistic", "hybrid_minimax", "hybrid_all", "hybrid_fast")

TABLE_IV = """WGAN 3.25 | MIX + WGAN 4.04 | Improved GANs [18] 4.36 | ALI [17] 5.34 | BEGAN 5.62 | WGAN-GP [15] 5.99
| DRAGAN 6.11 | Vanilla GAN 6.30 | SteinGAN 6.35 | DCGAN [4] 6.37 | WGAN-GP (common) [10] 6.40
| DCGAN (with labels) [10] 6.58 | Proposed Model 6.80"""
TABLE_V = """WGAN 55.96 | HingeGAN [19] 42.40 | 2 [ ] 42.40 | LSGAN 42.02 | DCGAN 38.56 | WGAN-GP 41.86
| Re-implemented WGAN-GP 38.63 | Realness GAN-Obj.1 36.73 | Realness GAN-Obj.2 [22] 34.59
| Realness GAN-Obj.3 [22] 36.21 | AdaptiveMix [3] 30.85 | Proposed Model 20.90"""


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    return yaml.safe_load(FILE.read_text())


@pytest.fixture(scope="module")
def rows(document: dict[str, object]) -> tuple[PublishedRow, ...]:
    return published_rows({"tahvili2025": document["tahvili2025"]})


@pytest.mark.parametrize(("table", "metric", "text"), [("Table IV", "is", TABLE_IV), ("Table V", "fid", TABLE_V)])
def test_every_published_row_is_there_in_order(
    rows: tuple[PublishedRow, ...], table: str, metric: str, text: str
) -> None:
    found = [(row.row, row.value) for row in rows if row.table == table]
    expected = [part.strip().rsplit(" ", 1) for part in text.replace("\n", " ").split("|")]
    assert found == [(name, float(value)) for name, value in expected]
    assert {row.metric for row in rows if row.table == table} == {metric}


def test_contradictions_are_noted(rows: tuple[PublishedRow, ...]) -> None:
    notes = {(row.table, row.row): row.note for row in rows}
    assert "6.16" in notes["Table IV", "DCGAN [4]"]
    assert all(way in notes["Table IV", "WGAN-GP [15]"] for way in ("5.99", "6.40", "~6.4"))
    assert "38.63" in notes["Table V", "WGAN-GP"]
    assert "duplicate" in notes["Table V", "2 [ ]"]
    sources = {(row.table, row.row): row.source for row in rows}
    assert "least over checkpoints" in sources["Table V", "LSGAN"]
    assert [name for name, source in sources.items() if not source] == [
        ("Table IV", "Proposed Model"), ("Table V", "Proposed Model"),
    ]  # fmt: skip
    assert "875" in notes["Table IV", "Proposed Model"]
    assert "920" in notes["Table V", "Proposed Model"]
    assert "26.72" in notes["Table V", "Realness GAN-Obj.1"]
    # reference [22] is RealnessGAN; [4], [15], [18] and [19] are of other papers than their rows
    wrong = {row for (_, row), note in notes.items() if "reference [" in note}
    assert not wrong & {"Realness GAN-Obj.2 [22]", "Realness GAN-Obj.3 [22]"}
    assert {"DCGAN [4]", "WGAN-GP [15]", "Improved GANs [18]", "HingeGAN [19]"} <= wrong


def test_the_proposed_model_and_what_stands_for_it(rows: tuple[PublishedRow, ...]) -> None:
    inception, distance = [row for row in rows if row.row == "Proposed Model"]
    assert (inception.value, inception.std, inception.epoch, inception.epochs) == (6.80, 0.22, 875, 1000)
    assert (distance.value, distance.std, distance.epoch, distance.epochs) == (20.90, None, 920, 1000)
    assert inception.experiments == distance.experiments == HYBRIDS
    for row in rows:
        assert row.experiments, row.row
        if row.row.startswith("DCGAN") and "labels" not in row.row:
            assert "dcgan_cifar10" in row.experiments


def test_the_data_set_and_the_notes(document: dict[str, object], rows: tuple[PublishedRow, ...]) -> None:
    assert {row.dataset for row in rows} == {"cifar10"}
    notes = published_notes(document, citation)
    assert any("doi.org/10.71856" in note for note in notes)
    assert any("'using a set of test images that were not seen during training'" in note for note in notes)
    assert not any("splits, reference images" in note for note in notes)  # section VII states them


def test_eq_3_of_song2023_states_a_loss(document: dict[str, object]) -> None:
    notes = document["song2023"]["notes"]
    assert not any(note.startswith("Not stated") and "loss" in note for note in notes)
    assert any("minimax" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valeu": 1.0}, "valeu"),
        ({"value": None}, "value"),
        ({"value": -1.0}, "greater than 0"),
        ({"value": float("nan")}, "value"),
        ({"row": "WGAN-copy"}, "same name"),
    ],
)
def test_mistakes_are_named(document: dict[str, object], change: dict[str, object], message: str) -> None:
    damaged = copy.deepcopy(document)
    rows = damaged["tahvili2025"]["table_iv"]["rows"]
    rows[0] |= change
    if change.get("row"):
        rows[1]["row"] = change["row"]
    with pytest.raises(EvaluationError, match=message) as caught:
        published_rows(damaged)
    assert "\n" not in str(caught.value)


def test_a_paper_needs_tables() -> None:
    with pytest.raises(EvaluationError, match="tables"):
        published_rows({"tahvili2025": {"dataset": "cifar10"}})
    with pytest.raises(EvaluationError, match="mapping"):
        published_rows({"tahvili2025": 3})
