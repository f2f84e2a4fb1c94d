"""Headers of measured columns: a label, and the differing rules where several comparability keys share it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from papergan.evaluation.protocol import Protocol
from papergan.metrics.registry import COLUMNS, METRICS, TO_INPUTS

Headers = Mapping[tuple[str, str], str]  # by (comparability digest, name of the metric)

GENERATED = ("fid", "is")  # metrics that papers report for generated images, as named in headers
TRANSLATED = ("psnr_y", "ssim_y", "lpips", "fid", "target_share", "cycle_error")  # and for translations
OF_TRANSLATIONS_ALONE = ("psnr_y", "psnr", "lpips", "target_share", "cycle_error")
_IN_HEADERS = {metric.pattern.split("@")[0]: metric for metric in METRICS.values()}


def column_headers(protocols: Sequence[Protocol], ignoring: Collection[str] = ()) -> Headers:
    """Headers by (comparability digest, metric): the label, with the differing rules where several keys share it.

    ignoring: rules that may differ in one column.
    """
    by_label: dict[tuple[str, str], dict[str, Protocol]] = {}
    for protocol in protocols:
        for name, metric in COLUMNS.items():
            by_label.setdefault((name, protocol.label(name)), {})[protocol.comparability_digest(metric)] = protocol
    headers = {}
    for (name, label), sharing in by_label.items():
        values = {digest: protocol.comparability_key(COLUMNS[name]) for digest, protocol in sharing.items()}
        fields = [field for field in COLUMNS[name].depends_on if field not in ignoring]
        differing = [field for field in fields if len({v[field] for v in values.values()}) > 1]
        for digest, key in values.items():
            parts = [f"{field} {_short(field, key[field])}" for field in differing]
            headers[digest, name] = f"{label} [{', '.join(parts)}]" if parts else label
    return headers


def metric_of(header: str) -> str:
    """The metric in a header, as named there: "fid" for "best domain_fid@5000v50000-train"; "" if there is none."""
    short = header.removeprefix("best ").split("@")[0]
    found = (name for name in _IN_HEADERS if short == name or short.endswith(f"_{name}"))
    return max(found, key=len, default="")


def is_back(header: str) -> bool:
    """Whether a header belongs to the reverse direction of a translation."""
    return header.removeprefix("best ").startswith(f"{TO_INPUTS}_")


def is_headline(header: str, metrics: Sequence[str] = GENERATED) -> bool:
    """Whether a header is of one of these metrics that papers report: any extractor, final or best, not reversed."""
    return "@" in header and metric_of(header) in metrics and not is_back(header)


def metric_order(header: str) -> tuple[bool, bool, bool, int, bool, str]:
    """The sort key of headers: headlines first, Inception before others, final before best, then as in METRICS."""
    known = metric_of(header)
    place = list(_IN_HEADERS).index(known) if known else len(_IN_HEADERS)
    short = header.removeprefix("best ").split("@")[0]
    other = short not in _IN_HEADERS or not _IN_HEADERS[short].of_features  # by another extractor, or by none
    headline = is_headline(header, (*GENERATED, *TRANSLATED))
    return not headline, other, header.startswith("best "), place, is_back(header), header


def _short(name: str, value: object) -> str:
    return str(value)[:8] if name.endswith("digest") else str(value)
