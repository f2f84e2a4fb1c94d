"""The Inception Score: confident predictions, spread over all classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


@dataclass(frozen=True)
class InceptionScore:
    """An Inception Score.

    mean, std: of exp(KL) over the splits, ddof 0; 1 <= mean <= K. log_mean: mean KL over the splits, nats.
    """

    mean: float
    std: float
    log_mean: float


def inception_score(logits: Array, splits: int = 10, seed: int = 0) -> InceptionScore:
    """exp(E_x KL(p(y|x) || p(y))), averaged over `splits` parts of the samples; higher is better.

    logits: [N, K] before softmax, samples of the generator only. seed: of the shuffle before splitting, so that an
    ordered set (all cats first) does not look like a collapsed one. p(y) is the mean of p(y|x) within one part.
    Small parts score lower: compare only scores of equal N and equal splits. Duplicates go unnoticed.
    gan_optimisation_review (section III, item 3) takes "the exponent of the mean entropy" of p(y|x): that is wrong, and
    would reward unsure predictions. song2023's values (Table 1, 0.13 to 0.29) are below 1, which no score can be;
    `log_mean` is what they may have been, the same without the exponential.
    Raises EvaluationError for fewer samples than splits, other shapes, and logits that are not finite.
    Source: Salimans et al. 2016, arXiv:1606.03498, section 4.
    """
    logits = as_tensor(logits, "logits")
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


def modified_inception_score(logits: Array) -> float:
    """DeLiGAN's m-IS: how differently images of one class are classified; 1 if all look alike, no upper bound.

    mean over c of exp(E_i E_j KL(p(y|x_i) || p(y|x_j))), x_i and x_j both predicted (largest logit) as class c, over
    the classes c that occur. In closed form the exponent is mean_i sum_y p_i log p_i - sum_y mean(p) mean(log p).
    logits: [N, K] before softmax, samples of the generator only. Pairs i = j count, as in the paper's code. It counts
    every difference between predictions as diversity, even between a blurred and a sharp image, and grows with the
    classifier's uncertainty: read it next to the value of real images, never alone.
    Raises EvaluationError for other shapes, and for logits that are not finite or too far apart for the exponential.
    Source: Gurumurthy et al. 2017 (DeLiGAN), arXiv:1706.02071, section 4.1.
    """
    logits = as_tensor(logits, "logits")
    if logits.ndim != 2 or not logits.numel():
        raise EvaluationError(f"a modified Inception Score needs logits [N, K], not empty, got {tuple(logits.shape)}")
    predicted = logits.argmax(dim=1)
    exponents = [_mean_pairwise_divergence(logits[predicted == label]) for label in torch.unique(predicted)]
    score = float(torch.tensor(exponents, dtype=torch.float64).exp().mean())
    if not math.isfinite(score):
        raise EvaluationError(f"the modified Inception Score is {score}; the logits are not finite or too far apart")
    return score


def _mean_pairwise_divergence(logits: Tensor) -> float:
    """E_i E_j KL(p_i || p_j) in nats over all pairs of rows, at the cost of one pass over them."""
    log_conditional = logits.double().log_softmax(dim=1)
    conditional = log_conditional.exp()
    own = (conditional * log_conditional).sum(dim=1).mean()
    cross = (conditional.mean(dim=0) * log_conditional.mean(dim=0)).sum()
    return float((own - cross).clamp_min(0))


def _mean_divergence(logits: Tensor) -> float:
    """E_x KL(p(y|x) || p(y)) in nats; from logarithms, since p underflows for logits of thousands."""
    log_conditional = logits.double().log_softmax(dim=1)
    log_marginal = log_conditional.logsumexp(dim=0) - torch.tensor(float(len(logits)), dtype=torch.float64).log()
    divergence = float((log_conditional.exp() * (log_conditional - log_marginal)).sum(dim=1).mean())
    if not divergence > -1e-9:  # written so that NaN fails too
        raise EvaluationError(f"the Inception Score's KL divergence is {divergence}; the logits are not finite")
    return max(divergence, 0.0)
