"""Settings of a sweep: a space of settings, an objective, and how Optuna searches it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from papergan.errors import did_you_mean
from papergan.messages import quoted
from papergan.metrics.registry import METRICS, OF_CLIPS, OF_TRANSLATIONS, Metric, prefix_and_metric
from papergan.validation import Amount, Repeats, Seed, StrictModel

Value = bool | int | float | str | None
SamplerName = Literal["tpe", "random"]
Pruner = Literal["none", "median", "hyperband", "asha"]
# prefixes of the metrics of every extractor
EXTRACTORS = (
    "",
    "domain_",
    "rotation_",
    "inception64_",
    "domain64_",
    "rotation64_",
    "torchvision_",
)
AT_THE_END = (
    "ppl", "ppl_w", "intra_fid", "cas", "nas", "nas_real", "nas_flips", "code_error",
    "encoder_1nn_accuracy", "reconstruction_error", *OF_TRANSLATIONS, *OF_CLIPS,
)  # fmt: skip
"""Metrics that evaluations during training always leave out, so that nothing can be pruned by them."""


class Parameter(StrictModel):
    """The values that one setting may take, exactly one of: uniform, log_uniform, integer (both ends), choice."""

    uniform: Annotated[tuple[float, float], Field(strict=False)] | None = None
    log_uniform: Annotated[tuple[float, float], Field(strict=False)] | None = None
    integer: Annotated[tuple[int, int], Field(strict=False)] | None = None
    choice: Annotated[tuple[Value, ...], Field(strict=False, min_length=2)] | None = None

    @model_validator(mode="after")
    def _one_range(self) -> Parameter:
        given = [kind for kind in Parameter.model_fields if getattr(self, kind) is not None]
        if len(given) != 1:
            kinds = ", ".join(Parameter.model_fields)
            raise ValueError(f"give exactly one of {kinds}, got {' and '.join(given) or 'none of them'}")
        if self.choice is not None:
            if len({(type(value), value) for value in self.choice}) < len(self.choice):
                raise ValueError(f"choice: each once, got {quoted(list(self.choice))}")
            return self
        low, high = self.values
        if low >= high:
            raise ValueError(f"{given[0]}: expected a lower and a higher end, got {quoted([low, high])}")
        if self.log_uniform is not None and low <= 0:
            raise ValueError(f"log_uniform: a logarithm needs ends above 0, got {quoted([low, high])}")
        return self

    @property
    def values(self) -> tuple[Any, ...]:
        """Both ends of a range, or all choices."""
        found: tuple[Any, ...] | None = self.choice or self.uniform or self.log_uniform or self.integer
        assert found is not None
        return found

    def contains(self, value: Any) -> bool:
        """Whether a value lies in the range or among the choices; 10.0 is where 10 is."""
        if self.choice is not None:
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in self.choice)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.values[0] <= value <= self.values[1] and (self.integer is None or float(value).is_integer())


class SweepSettings(StrictModel):
    """The `search` of a study: trials of one experiment whose settings Optuna suggests.

    space: by the dotted name of a setting in the recipe, `overrides.NAME` or `training.NAME`. objective: a final
    metric, with the prefix of its extractor: `domain_fid`. trials: number of trials of the search. minutes: total
    training time after which nothing more is suggested; evaluations do not count. startup_trials: number of trials that
    are drawn at random and never pruned by the median, before `tpe` and `median` learn from results.
    warmup_evaluations: number of first evaluations of a trial after which nothing is pruned. seed: of the suggestions.
    winners: number of best trials that are also trained with the other seeds of the study.
    """

    experiment: str
    space: Annotated[dict[str, Parameter], Field(min_length=1, max_length=100)]
    objective: str
    sampler: SamplerName = "tpe"
    pruner: Pruner = "none"
    trials: Repeats
    minutes: Amount | None = None
    startup_trials: Repeats = 5
    warmup_evaluations: Annotated[Repeats, Field(ge=0)] = 0
    seed: Annotated[Seed, Field(ge=0)] = 0
    winners: Annotated[Repeats, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _objective_has_a_direction(self) -> SweepSettings:
        better = [metric for metric in METRICS.values() if metric.better in ("lower", "higher")]
        known = {f"{prefix}{one.name}" for one in better for prefix in (EXTRACTORS if one.of_features else ("",))}
        if self.objective not in known:
            hint = did_you_mean(self.objective, known, "for example domain_fid, is_mean, domain_recall")
            raise ValueError(f"objective: no metric to be better at: {quoted(self.objective)}{hint}")
        if self.pruner != "none" and self.metric in AT_THE_END:
            raise ValueError(
                f"pruner: {self.pruner} needs the objective at evaluations during training, and {self.objective} is "
                "measured at the end alone; set pruner: none, or another objective"
            )
        return self

    @property
    def _metric(self) -> tuple[str, Metric]:
        found = prefix_and_metric(self.objective)
        assert found is not None
        return found

    @property
    def metric(self) -> str:
        """The name of the objective without the prefix of its extractor."""
        return self._metric[1].name

    @property
    def extractor(self) -> str | None:
        """The name of the extractor that the objective is measured by; None where it needs none."""
        prefix, metric = self._metric
        return (prefix.removesuffix("_") or "inception") if metric.of_features else None

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Optuna's word for which values of the objective are better."""
        return "minimize" if self._metric[1].better == "lower" else "maximize"

    @property
    def labels(self) -> dict[str, str]:
        """The names in tables of the settings of the space: their last part, where that is unique."""
        last = {name: name.rpartition(".")[2] for name in self.space}
        return {name: short if [*last.values()].count(short) == 1 else name for name, short in last.items()}

    @property
    def pruning(self) -> str:
        """A digest of all that may end a trial early; "" where nothing does."""
        if self.pruner == "none":
            return ""
        decisive = self.model_dump_json(exclude={"trials", "minutes", "winners"})
        return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def nested(values: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Values by dotted name as a part of a recipe: `{"overrides.width": 8}` to `{"overrides": {"width": 8}}`."""
    tree: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        section, _, setting = name.partition(".")
        tree.setdefault(section, {})[setting] = value
    return tree
