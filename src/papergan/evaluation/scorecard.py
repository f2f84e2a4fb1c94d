"""Score cards and scores of images: numbers, their protocols, and the provenance of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import Protocol
from papergan.messages import sanitise
from papergan.metrics.registry import (
    METRICS,
    Metric,
    is_score,
    metric_and_class,
    prefix_and_metric,
)


class Document(BaseModel):
    """The base class of JSON documents: rejects unknown keys, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RealRow(Document):
    """Scores of real images instead of samples.

    name: "real test set", what an honest generator could reach; "train copies", what a copying generator reaches.
    dataset: of the images. protocols, metrics: as in a score card, with this row's number of samples.
    """

    name: str
    dataset: str
    protocols: tuple[Protocol, ...]
    metrics: dict[str, float]


BEST_METRICS = {"fid": "fid", "is": "is_mean", "likelihood": "parzen_ll_historical"}
"""The metric that papers report, by the criterion of `ScoreCard.best`."""


class BestScore(BaseModel):
    """The point in training at which a metric was best: `epoch`, `step`, and all metrics at that point."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    epoch: float
    step: int

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return dict(self.__pydantic_extra__)


class ScoreCard(Document):
    """The scores of one run. dataset: the name of its image set. diverged: None, or what happened and at which step.
    pruned: None, or at which evaluation the sweep that this trial belongs to ended it.

    final: metrics at the end of training, empty if there are none. best_fid, best_is, best_likelihood:
    see BestScore; the likelihood is that of validation images under a Parzen window, if measured during training.
    generator_digest: `Weights.digest` of the generator that `final` describes; None if a run diverged before it had
    one.
    variant: the recipe without its seed, `Recipe.variant`. real_rows: real images scored by the same rules.
    models: digests of the trained models used in training, by role: teacher, start.
    commit: of this project; dirty: whether there were uncommitted changes. training_seconds: without evaluation.
    sampling_seconds: for one image of the published generator, at the batch size of its evaluation; None if a run
    diverged.
    """

    experiment: str
    system: str
    paper: str
    dataset: str
    data_digest: str
    models: dict[str, str] = Field(default_factory=dict)
    recipe_fingerprint: str
    variant: str
    seed: int
    device: str
    hardware: str
    commit: str
    dirty: bool
    versions: dict[str, str]
    epochs: float
    steps: int
    images_seen: int
    training_seconds: float
    sampling_seconds: float | None = None
    diverged: str | None
    pruned: str | None = None
    generator_digest: str | None
    protocols: tuple[Protocol, ...]
    final: dict[str, float]
    best_fid: BestScore | None
    best_is: BestScore | None
    best_likelihood: BestScore | None = None
    real_rows: tuple[RealRow, ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, name: str, document: Mapping[str, Any]) -> ScoreCard:
        """Validate a stored card. Raises EvaluationError, in one line, for unknown, missing or impossible entries."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{'.'.join(map(str, first['loc'])) or 'card'}: {first['msg']}"
        except EvaluationError as error:  # from a protocol
            what = str(error)
        raise EvaluationError(f"scores of {sanitise(name)}: {sanitise(what)}; evaluate the run again")

    @property
    def run(self) -> str:
        """The identity of the run; a later card of the same run replaces this one."""
        return f"{self.experiment} on {self.dataset}, variant {self.variant}, seed {self.seed}"

    @property
    def ended_early(self) -> str | None:
        """Why there are no final scores: the run diverged or was pruned; None if there are."""
        return self.diverged or self.pruned

    @property
    def best(self) -> dict[str, BestScore]:
        """The best points of the run by criterion: "fid", "is", "likelihood", without those that were not measured."""
        found = {"fid": self.best_fid, "is": self.best_is, "likelihood": self.best_likelihood}
        return {which: moment for which, moment in found.items() if moment is not None}

    @model_validator(mode="after")
    def _scores_are_of_a_generator(self) -> Self:
        if self.ended_early is None and self.generator_digest is None:
            raise ValueError("generator_digest: a finished run must say which generator was scored")
        return self

    @model_validator(mode="after")
    def _every_score_has_a_protocol(self) -> Self:
        for metrics in (self.final, *(moment.metrics for moment in self.best.values())):
            known = {protocol.metric_prefix for protocol in protocols_of(self.protocols, metrics)}
            for name in metrics:
                _check_name(name, known, metrics)
        return self


def protocols_of(protocols: Sequence[Protocol], metrics: Mapping[str, float]) -> Iterator[Protocol]:
    """The protocols under which these metrics were measured: same extractor, same number of samples."""
    for protocol in protocols:
        if metrics.get(f"{protocol.metric_prefix}num_samples") == protocol.num_samples:
            yield protocol


def _check_name(name: str, prefixes: Set[str], metrics: Mapping[str, float]) -> None:
    """Raise ValueError for an unknown metric name, and for a metric without a protocol."""
    of_one_class = metric_and_class(name)
    found = prefix_and_metric(name if of_one_class is None else of_one_class[0])
    if found is None:
        if not is_score(name):
            raise ValueError(f"unknown metric {name}")
    elif found[1].of_features and found[0] not in prefixes:
        count = metrics.get(f"{found[0]}num_samples")
        raise ValueError(f"{name} has no protocol with its number of samples ({count})")


class ImageScores(Document):
    """The result of `evaluate_images`: scores of images, and how they were computed.

    fake, real, held_out: the images, by path; counts and digests are in the protocols and in `fake_digest`.
    real_rows: scores of the held-out and the real images instead of the fakes, by the same rules.
    """

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
        """Rows for a table: one row per metric, with its label, its value, and the values of real images.

        The column of real images says how many they are where they are fewer than the fakes, which the labels count.
        """
        rows = []
        count = self.protocols[0].num_samples
        taken = [(real, real.protocols[0].num_samples) for real in self.real_rows]
        columns = {real.name if some == count else f"{real.name}, {some} images": real for real, some in taken}
        for label, name, metric, prefix in self._labelled():
            row: dict[str, Any] = {"metric": metric.title, "protocol": label, "value": self.metrics[name]}
            row["deviation"] = self.metrics.get(f"{prefix}{metric.deviation}") if metric.deviation else None
            rows.append(row | {column: real.metrics.get(name) for column, real in columns.items()})
        return rows

    def floors(self) -> list[str]:
        """Each Frechet distance compared with that of as many held-out images, as text; [] if none are held out."""
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
