"""The Inception Score: confident predictions, spread over all classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from papergan.errors import EvaluationError


@dataclass(frozen=True)
class InceptionScore:
    """mean, std: of exp(KL) over the splits, ddof 0; 1 <= mean <= K. log_mean: mean KL over the splits, nats."""

    mean: float
    std: float
    log_mean: float


def inception_score(logits: Tensor, splits: int = 10, seed: int = 0) -> InceptionScore:
    """exp(E_x KL(p(y|x) || p(y))), averaged over `splits` parts of the samples; higher is better.

    logits: [N, K] before softmax, samples of the generator only. seed: of the shuffle before splitting, so that an
    ordered set (all cats first) does not look like a collapsed one. p(y) is the mean of p(y|x) within one part.
    Small parts score lower: compare only scores of equal N and equal splits. Duplicates go unnoticed.
    Raises EvaluationError for fewer samples than splits, other shapes, and logits that are not finite.
    Source: Salimans et al. 2016, arXiv:1606.03498, section 4.
    """
    if logits.ndim != 2 or not 1 <= splits <= len(logits):
        raise EvaluationError(
            f"an Inception Score over {splits} splits needs logits [N >= {splits}, K], got {tuple(logits.shape)}"
        )
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed)).to(logits.device)
    bounds = [part * len(logits) // splits for part in range(splits + 1)]
    divergences = torch.tensor(
        [_mean_divergence(logits[order[low:high]]) for low, high in pairwise(bounds)],
        dtype=torch.float64,
    )
    scores = divergences.exp()
    return InceptionScore(float(scores.mean()), float(scores.std(correction=0)), float(divergences.mean()))


def _mean_divergence(logits: Tensor) -> float:
    """E_x KL(p(y|x) || p(y)) in nats; from logarithms, since p underflows for logits of thousands."""
    log_conditional = logits.double().log_softmax(dim=1)
    log_marginal = log_conditional.logsumexp(dim=0) - torch.tensor(float(len(logits)), dtype=torch.float64).log()
    divergence = float((log_conditional.exp() * (log_conditional - log_marginal)).sum(dim=1).mean())
    if not divergence > -1e-9:  # written so that NaN fails too
        raise EvaluationError(f"the Inception Score's KL divergence is {divergence}; the logits are not finite")
    return max(divergence, 0.0)
