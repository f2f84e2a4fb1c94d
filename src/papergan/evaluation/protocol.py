"""The rules under which a number was measured; numbers under different rules are never compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from papergan.errors import EvaluationError


@dataclass(frozen=True)
class Protocol:
    """One ruler (extractor, reference, counts) and what was held against it (weights, seed).

    extractor: "inception" or "domain"; extractor_digest: SHA-256 of its weights. num_samples: generated images.
    reference_name, _split, _digest, _count: the real images. weights: the averaged ("ema") or the "raw" generator.
    seed: of the latent vectors and of the Inception Score's shuffle.
    """

    extractor: str
    extractor_digest: str
    preprocessing: str
    num_samples: int
    reference_name: str
    reference_split: str
    reference_digest: str
    reference_count: int
    weights: Literal["ema", "raw"]
    inception_splits: int
    seed: int
    quantisation: str = "uint8 round"

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic, which this module does not need

    def __post_init__(self) -> None:
        if self.num_samples < 1 or self.reference_count < 1 or self.inception_splits < 1:
            raise EvaluationError("a protocol needs at least one sample, one reference image and one split")

    @property
    def metric_prefix(self) -> str:
        """What stands before this extractor's metrics: "" for Inception, else for example "domain_"."""
        return "" if self.extractor == "inception" else f"{self.extractor}_"

    @property
    def label(self) -> str:
        """The Frechet distance's name, `domain_fid@5000v50000-train` or `fid@10000v50000-train-inception`."""
        return (
            f"{self.metric_prefix}fid@{self.num_samples}v{self.reference_count}-{self.reference_split}{self._network}"
        )

    @property
    def inception_score_label(self) -> str:
        """The Inception Score under these rules, `domain_is@5000/10` or `is@10000/10-inception` (samples/splits)."""
        return f"{self.metric_prefix}is@{self.num_samples}/{self.inception_splits}{self._network}"

    @property
    def ruler(self) -> dict[str, str | int]:
        """What must agree before two numbers may share a column: everything but `weights` and `seed`.

        Those two say which model and which draw was measured, not how; the table shows them in columns of their own.
        """
        return {name: value for name, value in vars(self).items() if name not in ("weights", "seed")}

    @property
    def ruler_digest(self) -> str:
        """SHA-256 of `ruler`."""
        return hashlib.sha256(repr(sorted(self.ruler.items())).encode()).hexdigest()

    @property
    def _network(self) -> str:
        return "-inception" if self.extractor == "inception" else ""
