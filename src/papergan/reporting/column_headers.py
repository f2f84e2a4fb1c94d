"""Headers of measured columns: a label, and the differing rules where several comparability keys share it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from papergan.evaluation.protocol import Protocol
from papergan.metrics.registry import COLUMNS, METRICS

Headers = Mapping[tuple[str, str], str]  # by (comparability digest, name of the metric)

_HEADLINE = re.compile(r"(best )?(?!\w*(log_is|modified_is|intra_fid)@)(\w+_)?(fid|is)@")


def column_headers(protocols: Sequence[Protocol]) -> Headers:
    """Headers by (comparability digest, metric): the label, with the differing rules where several keys share it."""
    by_label: dict[tuple[str, str], dict[str, Protocol]] = {}
    for protocol in protocols:
        for name, metric in COLUMNS.items():
            by_label.setdefault((name, protocol.label(name)), {})[protocol.comparability_digest(metric)] = protocol
    headers = {}
    for (name, label), sharing in by_label.items():
        values = {digest: protocol.comparability_key(COLUMNS[name]) for digest, protocol in sharing.items()}
        differing = [field for field in COLUMNS[name].depends_on if len({v[field] for v in values.values()}) > 1]
        for digest, key in values.items():
            parts = [f"{field} {_short(field, key[field])}" for field in differing]
            headers[digest, name] = f"{label} [{', '.join(parts)}]" if parts else label
    return headers


def is_headline(header: str) -> bool:
    """Whether a header is of FID or Inception Score, the metrics of papers; any extractor, final or best."""
    return _HEADLINE.match(header) is not None


def metric_order(header: str) -> tuple[bool, bool, bool, int, str]:
    """The sort key of headers: headlines first, Inception before others, final before best, then as in METRICS."""
    short = header.removeprefix("best ").split("@")[0]
    names = {metric.pattern.split("@")[0]: metric.of_features for metric in METRICS.values()}
    known = max((name for name in names if short.endswith(name)), key=len, default="")
    place = list(names).index(known) if known else len(names)
    other = not names.get(short, False)  # by another extractor, or by none
    return not is_headline(header), other, header.startswith("best "), place, header


def _short(name: str, value: object) -> str:
    return str(value)[:8] if name.endswith("digest") else str(value)
