from __future__ import annotations

import json

import pytest

from helpers.cards import card, metrics, protocol
from papergan.errors import EvaluationError
from papergan.evaluation.scorecard import ImageScores, ScoreCard


def test_a_card_survives_json() -> None:
    read = ScoreCard.read("a", json.loads(json.dumps(card())))
    assert read.best_fid is not None
    assert read.best_fid.metrics["fid"] == 25.0
    assert read.protocols[0].label("fid") == "fid@10000v50000-train-inception"
    assert ScoreCard.read("b", read.model_dump()) == read


def test_a_card_has_what_was_measured_within_each_class() -> None:
    final = metrics() | {"intra_fid": 30.0, "intra_fid_class_3": 31.0}
    assert ScoreCard.read("a", card(final=final)).final["intra_fid_class_3"] == 31.0


def test_the_columns_of_fewer_real_images_say_how_many_they_are() -> None:
    real = [
        {
            "name": name,
            "dataset": "held_out",
            "protocols": [protocol(num_samples=count)],
            "metrics": metrics(count=count),
        }
        for name, count in (("real test set", 2000), ("train copies", 10000))
    ]
    about = {name: card()[name] for name in ("hardware", "commit", "dirty", "versions")}
    found = ImageScores.model_validate(
        about | {
            "fake": "f", "real": "r", "held_out": "h", "fake_digest": "d", "protocols": [protocol()],
            "metrics": metrics(), "real_rows": real,
        }
    )  # fmt: skip
    assert [*found.as_rows()[0]][4:] == ["real test set, 2000 images", "train copies"]


def test_a_diverged_run_may_have_no_scores() -> None:
    read = ScoreCard.read("a", card(diverged="diverged at step 7", final={}, best_fid=None, best_is=None, protocols=[]))
    assert read.diverged == "diverged at step 7"


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (card() | {"fid": 1.0}, "fid"),
        ({name: value for name, value in card().items() if name != "commit"}, "commit"),
        (card(final={"fid": float("nan"), "num_samples": 10000}), "fid"),
        (card(final=metrics(count=50000)), "fid has no protocol"),
        (card(final=metrics("domain_")), "domain_fid has no protocol"),
        (card(final={"is_mean": 3.0}), "is_mean has no protocol"),
        (card(final=metrics() | {"fdi": 3.0}), "unknown metric fdi"),
        (card(final=metrics() | {"domain_copy_rate": 0.1}), "domain_copy_rate has no protocol"),
        (card(best_is={"epoch": 1, "step": 2, **metrics(count=5000)}), "has no protocol"),
        (card(final=metrics() | {"domain_intra_fid_class_3": 3.0}), "domain_intra_fid_class_3 has no protocol"),
        (card(final=metrics() | {"fid_class_3": 3.0}), "unknown metric fid_class_3"),
        (card(protocols=[protocol() | {"extra": 1}]), "extra"),
        (card(protocols=[protocol(weights="average")]), "weights"),
        (card(protocols=[protocol(num_samples=0)]), "at least one"),
    ],
)
def test_a_number_without_its_rules_is_refused(damaged: dict[str, object], message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        ScoreCard.read("hybrid", damaged)
    assert "scores of hybrid" in str(caught.value)
    assert "\n" not in str(caught.value)
