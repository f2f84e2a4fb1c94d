"""Every metric takes NumPy arrays as it takes tensors, and says in one line what it does not take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.arrays import as_tensor
from papergan.metrics.checkerboard import checkerboard
from papergan.metrics.classes import class_counts
from papergan.metrics.discriminator import discriminator_accuracy, membership_auc
from papergan.metrics.encoder import code_error, nearest_neighbour_accuracy, reconstruction_error
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_deviation, frechet_distance
from papergan.metrics.inception_score import inception_score, modified_inception_score
from papergan.metrics.kernel_distance import kernel_distance, kernel_distance_deviation
from papergan.metrics.memorisation import memorisation, pixel_vectors
from papergan.metrics.modes import Mixture, mode_coverage
from papergan.metrics.ms_ssim import mean_pair_similarity, ms_ssim
from papergan.metrics.nearest_neighbours import nearest, neighbourhoods
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood
from papergan.metrics.path_length import path_lengths, trimmed_mean


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def images(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def streamed(features: Any) -> torch.Tensor:
    found = FeatureStatistics(4)
    found.update(features)
    return found.scatter


@dataclass(frozen=True)
class Case:
    measure: Callable[..., Any]
    given: tuple[torch.Tensor, ...]


FEATURES = numbers(40, 4), numbers(30, 4, seed=1)
LABELS = torch.arange(30) % 3
REAL = FeatureStatistics.of(FEATURES[1])
CASES = {
    "frechet distance": Case(lambda a, b: frechet_distance(FeatureStatistics.of(a), FeatureStatistics.of(b)), FEATURES),
    "frechet deviation": Case(lambda rows: frechet_deviation(rows, REAL, resamples=2), FEATURES[:1]),
    "streamed statistics": Case(streamed, FEATURES[:1]),
    "kernel distance": Case(lambda a, b: kernel_distance(a, b, subsets=3, subset_size=10), FEATURES),
    "its deviation": Case(lambda a, b: kernel_distance_deviation(a, b, resamples=3), FEATURES),
    "inception score": Case(lambda logits: inception_score(logits, splits=2), (numbers(20, 5),)),
    "modified inception score": Case(modified_inception_score, (numbers(20, 5),)),
    "classes": Case(class_counts, (numbers(20, 5),)),
    "membership": Case(membership_auc, (numbers(20), numbers(30, seed=1))),
    "discriminator": Case(discriminator_accuracy, (numbers(20), numbers(30, seed=1))),
    "code error": Case(code_error, (LABELS, LABELS, LABELS + 1, LABELS)),
    "nearest neighbour accuracy": Case(nearest_neighbour_accuracy, (FEATURES[1], LABELS, FEATURES[1] + 1, LABELS)),
    "reconstruction error": Case(reconstruction_error, FEATURES[:1] * 2),
    "ms-ssim": Case(ms_ssim, (images(), images(1))),
    "pairwise similarity": Case(mean_pair_similarity, (images(),)),
    "parzen": Case(lambda a, b: parzen_log_likelihood(a, b, 0.5), FEATURES),
    "bandwidth": Case(choose_bandwidth, FEATURES),
    "neighbourhoods": Case(neighbourhoods, FEATURES),
    "nearest": Case(lambda a, b: nearest(a, b, 2)[1], FEATURES),
    "memorisation": Case(memorisation, (*FEATURES, numbers(50, 4, seed=2))),
    "memorisation in parts": Case(
        lambda a, b, *parts: memorisation(a, b, parts), (*FEATURES, numbers(50, 4, seed=2), numbers(9, 4, seed=3))
    ),
    "pixel vectors": Case(lambda pixels: pixel_vectors(pixels, mirror=True), (images(),)),
    "path lengths": Case(
        lambda *given: path_lengths(
            torch.sin, torch.cos, lambda a, b, t: torch.lerp(a, b, t[:, None]), *given, epsilon=1e-3
        ),
        (*(numbers(8, 4, seed=s) for s in (0, 1)), numbers(8).sigmoid()),
    ),
    "trimmed mean": Case(trimmed_mean, (numbers(20).square(),)),
    "checkerboard": Case(checkerboard, (images(),)),
    "modes": Case(lambda samples: mode_coverage(samples, Mixture.ring(deviation=0.5)), (numbers(50, 2),)),
}  # fmt: skip
PLACES = [(name, place) for name, case in CASES.items() for place in range(len(case.given))]


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("name", CASES)
def test_arrays_score_as_tensors_do(name: str) -> None:
    case = CASES[name]
    before = [some.clone() for some in case.given]
    assert same(case.measure(*(some.numpy() for some in case.given)), case.measure(*case.given))
    assert all(torch.equal(some, was) for some, was in zip(case.given, before, strict=True))


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_what_is_neither_is_refused_in_one_line(name: str, place: int) -> None:
    case = CASES[name]
    for wrong in (case.given[place].tolist(), "features", None, case.given[place].numpy().astype(object)):
        given = [*case.given]
        given[place] = wrong
        with pytest.raises(EvaluationError, match=r"must be a torch tensor or a NumPy array|got object") as error:
            case.measure(*given)
        assert "\n" not in str(error.value)


def test_an_array_is_shared_and_a_tensor_is_itself() -> None:
    array, tensor = np.arange(6.0).reshape(2, 3), torch.ones(2)
    assert as_tensor(array, "it").data_ptr() == array.ctypes.data
    assert as_tensor(tensor, "it") is tensor


@pytest.mark.filterwarnings("error")
def test_an_array_that_torch_cannot_share_is_copied() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    frozen = array.copy()
    frozen.flags.writeable = False
    for other in (frozen, array.astype(">f4"), array[::-1, ::-1][::-1, ::-1].copy(), np.flip(np.flip(array).copy())):
        found = as_tensor(other, "it")
        assert found.dtype == torch.float32
        assert np.array_equal(found.numpy(), array)


def test_numbers_that_no_metric_takes_are_named() -> None:
    bad = {
        "bool": np.ones(3, bool), "complex64": np.ones(3, np.complex64), "uint16": np.ones(3, np.uint16),
        "longdouble|float128": np.ones(3, np.longdouble), "MaskedArray": np.ma.masked_equal([1.0, 2.0], 2.0),
    }  # fmt: skip
    for name, array in bad.items():
        with pytest.raises(EvaluationError, match=rf"^scores must be .*got ({name}); convert"):
            as_tensor(array, "scores")
    with pytest.raises(EvaluationError, match="got bool"):
        as_tensor(torch.ones(3, dtype=torch.bool), "scores")


def test_whole_numbers_and_half_precision_are_numbers() -> None:
    whole = torch.randint(-5, 5, (30, 4), generator=torch.Generator().manual_seed(0))
    for dtype in (torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16):
        assert kernel_distance(whole.to(dtype), whole).mean == kernel_distance(whole.double(), whole.double()).mean


def test_statistics_do_not_change_where_the_memory_is_filled_again() -> None:
    statistics, memory = FeatureStatistics(4), np.empty((10, 4), np.float32)
    for part in FEATURES[0].split(10):
        memory[:] = part.numpy()
        statistics.update(memory)
    assert torch.allclose(statistics.mean, FEATURES[0].double().mean(0), atol=1e-12)
    with pytest.raises(EvaluationError, match=r"\[N, D\]"):
        FeatureStatistics.of(np.zeros(3))
