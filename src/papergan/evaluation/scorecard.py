"""The score card of one run: its numbers, their protocols, and the provenance of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import Protocol
from papergan.evaluation.real_image_scores import RealRow
from papergan.messages import sanitise
from papergan.metrics.registry import AUXILIARY_METRICS, DISCRIMINATOR_METRICS, metric_and_class, prefix_and_metric


class BestScore(BaseModel):
    """Where a metric was at its best during training; all metrics of that moment stand beside `epoch` and `step`."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float] = Field(init=False)

    epoch: float
    step: int

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return dict(self.__pydantic_extra__)


class ScoreCard(BaseModel):
    """One run. dataset: as its image set names itself. diverged: None, or what happened and at which step.
    pruned: None, or at which evaluation the sweep that it is a trial of ended it.

    final: metrics at the end of training, empty where there are none. best_fid, best_is: see BestScore.
    generator_digest: of the generator that `final` is about, `Weights.digest`; None where a run diverged before it had
    one.
    variant: the recipe without its seed, `Recipe.variant`. real_rows: real images scored by the same rules.
    commit: of this project; dirty: with changes that are in no commit. training_seconds: without evaluation.
    sampling_seconds: of one image by the published generator, in the batches in which it is evaluated; None where a run
    diverged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    experiment: str
    system: str
    paper: str
    dataset: str
    data_digest: str
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
        except EvaluationError as error:  # of a protocol
            what = str(error)
        raise EvaluationError(f"scores of {sanitise(name)}: {sanitise(what)}; evaluate the run again")

    @property
    def run(self) -> str:
        """Which run this is of; a later card of the same run replaces it."""
        return f"{self.experiment} on {self.dataset}, variant {self.variant}, seed {self.seed}"

    @property
    def ended_early(self) -> str | None:
        """Why there are no final scores: it diverged, or was pruned; None where there are."""
        return self.diverged or self.pruned

    @property
    def best(self) -> dict[str, BestScore]:
        """When it was at its best, by criterion, "fid" and "is"; without those that nothing was measured of."""
        found = {"fid": self.best_fid, "is": self.best_is}
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
    """Those under which these metrics were measured: same extractor, same number of samples."""
    for protocol in protocols:
        if metrics.get(f"{protocol.metric_prefix}num_samples") == protocol.num_samples:
            yield protocol


def _check_name(name: str, prefixes: Set[str], metrics: Mapping[str, float]) -> None:
    """Raise ValueError for a name that is no metric's, and for a metric under no protocol."""
    of_one_class = metric_and_class(name)
    found = prefix_and_metric(name if of_one_class is None else of_one_class[0])
    if found is None:
        if name not in DISCRIMINATOR_METRICS and not any(
            name == one or name.endswith(f"_{one}") for one in AUXILIARY_METRICS
        ):
            raise ValueError(f"unknown metric {name}")
    elif found[1].of_features and found[0] not in prefixes:
        count = metrics.get(f"{found[0]}num_samples")
        raise ValueError(f"{name} has no protocol with its number of samples ({count})")
