"""The result of `evaluate_images`: scores of images, and how they were computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from papergan.evaluation.protocol import Protocol
from papergan.evaluation.real_image_scores import RealRow
from papergan.metrics.registry import METRICS, Metric


class ImageScores(BaseModel):
    """fake, real, held_out: the images, by path; counts and digests are in the protocols and in `fake_digest`.

    real_rows: the held-out and the real images in the place of the fakes, by the same rules.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fake: str
    real: str
    held_out: str | None
    fake_digest: str
    protocols: tuple[Protocol, ...]
    metrics: dict[str, float]
    real_rows: tuple[RealRow, ...]
    hardware: str
    commit: str
    dirty: bool
    versions: dict[str, str]

    def as_rows(self) -> list[dict[str, Any]]:
        """For a table: one row per metric, with its label, its value, and what real images have in its place."""
        rows = []
        for label, name, metric, prefix in self._labelled():
            row: dict[str, Any] = {"metric": metric.title, "protocol": label, "value": self.metrics[name]}
            row["deviation"] = self.metrics.get(f"{prefix}{metric.deviation}") if metric.deviation else None
            rows.append(row | {real.name: real.metrics.get(name) for real in self.real_rows})
        return rows

    def floors(self) -> list[str]:
        """Each Frechet distance compared with that of as many held-out images, as text; [] where none are held out."""
        sentences = []
        for protocol in self.protocols:
            name = f"{protocol.metric_prefix}fid"
            floor, at_floor_count = self.metrics.get(f"{name}_floor"), self.metrics.get(f"{name}_at_floor_count")
            if floor is not None:
                distance, what = self.metrics[name], f"{protocol.floor_count} images"
                if at_floor_count is not None:
                    distance, what = (
                        at_floor_count,
                        f"{protocol.floor_count} of the {protocol.num_samples} images, drawn",
                    )
                times = f", {distance / floor:.3g} times that" if floor else ""
                undone = f"{name} of {protocol.floor_count} held-out images {floor:.4g}"
                sentences.append(f"{undone}; of {what} {distance:.4g}{times}")
        return sentences

    def _labelled(self) -> Iterator[tuple[str, str, Metric, str]]:
        done = set()
        for protocol in self.protocols:
            for metric in METRICS.values():
                name = protocol.name_of(metric)
                if name in self.metrics and name not in done:
                    done.add(name)
                    yield protocol.label(metric.name), name, metric, name.removesuffix(metric.name)
