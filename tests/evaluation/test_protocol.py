from __future__ import annotations

import dataclasses

import pytest

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import Protocol

DOMAIN = Protocol(
    extractor="domain", extractor_digest="a" * 64, preprocessing="p", num_samples=5000, reference_name="cifar10/train",
    reference_split="train", reference_digest="b" * 64, reference_count=50000, weights="ema", inception_splits=10,
    seed=0,
)  # fmt: skip


def test_labels() -> None:
    assert DOMAIN.label == "domain_fid@5000v50000-train"
    assert DOMAIN.inception_score_label == "domain_is@5000/10"
    inception = dataclasses.replace(DOMAIN, extractor="inception", num_samples=10000)
    assert inception.label == "fid@10000v50000-train-inception"
    assert inception.inception_score_label == "is@10000/10-inception"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Protocol)])
def test_every_rule_but_the_model_and_the_draw_makes_another_ruler(field: str) -> None:
    value = getattr(DOMAIN, field)
    other = dataclasses.replace(DOMAIN, **{field: value + 1 if isinstance(value, int) else f"{value}x"})
    assert (other.ruler_digest != DOMAIN.ruler_digest) == (field not in ("weights", "seed"))


def test_nothing_is_measured_on_no_samples() -> None:
    with pytest.raises(EvaluationError, match="at least one"):
        dataclasses.replace(DOMAIN, num_samples=0)
