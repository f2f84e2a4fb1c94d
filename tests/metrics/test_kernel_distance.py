from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics import kernel_distance as kernel_distance_module
from papergan.metrics.kernel_distance import (
    KernelDistance,
    _multinomial_counts,
    kernel_distance,
    kernel_distance_deviation,
)
from papergan.randomness import seed_for


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(fake: Tensor, real: Tensor) -> float:
    """The distance of both sets entire: one subset that leaves nothing out."""
    return kernel_distance(fake, real, subsets=1, subset_size=len(fake)).mean


def brute_force(fake: Tensor, real: Tensor) -> float:
    """Every pair in a loop, in float64."""
    x, y = fake.double().numpy(), real.double().numpy()
    same_x = [(a @ b / len(a) + 1) ** 3 for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    same_y = [(a @ b / len(a) + 1) ** 3 for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    across = [(a @ b / len(a) + 1) ** 3 for a in x for b in y]
    return float(np.mean(same_x) + np.mean(same_y) - 2 * np.mean(across))


def test_two_points_by_hand() -> None:
    """In one dimension k(0, 0) + k(1, 1) - 2 k(0, 1) = 1 + 8 - 2, with the signs and the 2 of the sources."""
    assert kernel_distance(torch.zeros(5, 1), torch.ones(4, 1)).mean == pytest.approx(7, rel=1e-12)
    assert kernel_distance(torch.zeros(5, 1), torch.ones(4, 1)).std == 0


def test_every_pair_by_brute_force() -> None:
    fake, real = random(23, 7, seed=0), random(23, 7, seed=1) + 0.5
    assert whole(fake, real) == pytest.approx(brute_force(fake, real), rel=1e-5)
    assert whole(fake.double(), real) == pytest.approx(whole(fake, real), rel=1e-12)


def test_same_law_is_zero_on_average_and_not_biased_by_few_samples() -> None:
    distances = np.array([whole(random(20, 5, seed=2 * s), random(20, 5, seed=2 * s + 1)) for s in range(400)])
    error = distances.std() / len(distances) ** 0.5
    assert abs(distances.mean()) < 3 * error
    assert error < 0.03  # the diagonal alone, k(x, x) - k(x, x') of 2 sets over 20 samples, would add 0.8
    assert distances.min() < 0


def test_agrees_with_torch_fidelity_on_one_subset() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_kid")
    fake, real = random(300, 48, seed=3), 1.2 * random(300, 48, seed=4) + 0.1
    theirs = reference.kid_features_to_metric(
        fake.double(), real.double(), kid_subsets=1, kid_subset_size=300, verbose=False
    )
    assert whole(fake, real) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)


def test_subsets_average_to_what_torch_fidelity_finds_with_its_own() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_kid")
    fake, real = random(900, 16, seed=5), random(700, 16, seed=6) + 0.3
    theirs = reference.kid_features_to_metric(fake, real, kid_subsets=200, kid_subset_size=100, verbose=False)
    ours = kernel_distance(fake, real, subsets=200, subset_size=100)
    error = theirs["kernel_inception_distance_std"] * (2 / 200) ** 0.5
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], abs=4 * error)
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], rel=0.25)


def test_agrees_with_torchmetrics() -> None:
    reference = pytest.importorskip("torchmetrics.image.kid")
    fake, real = random(200, 32, seed=7), random(200, 32, seed=8) + 0.2
    assert whole(fake, real) == pytest.approx(float(reference.poly_mmd(real.double(), fake.double())), rel=1e-4)


def test_subsets_are_drawn_without_replacement_and_from_both_sets() -> None:
    """Of a set with one outlier, a subset holds it once or not at all: two values, never a third."""
    fake, real = torch.zeros(10, 1), torch.ones(6, 1)
    fake[0] = 2
    values = {round(kernel_distance(fake, real, subsets=1, subset_size=5, seed=s).mean, 3) for s in range(40)}
    other = round(brute_force(fake[:5], real[:5]), 3)
    assert values == {7.0, other}
    spreads = {round(kernel_distance(fake, real, subsets=2, subset_size=5, seed=s).std, 2) for s in range(40)}
    assert spreads == {0.0, round(abs(other - 7) / 2, 2)}  # ddof 0


def test_a_matter_of_the_seed_alone() -> None:
    fake, real = random(60, 4, seed=9), random(50, 4, seed=10)
    state = torch.get_rng_state()
    once = kernel_distance(fake, real, subsets=5, subset_size=20, seed=1)
    deviation = kernel_distance_deviation(fake, real, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    random(3, seed=99)
    torch.manual_seed(5)
    assert once == kernel_distance(fake, real, subsets=5, subset_size=20, seed=1)
    assert once != kernel_distance(fake, real, subsets=5, subset_size=20, seed=2)
    assert deviation == kernel_distance_deviation(fake, real, seed=1)
    assert deviation != kernel_distance_deviation(fake, real, seed=2)


def test_the_deviation_is_that_of_resampled_fakes_without_their_own_copies() -> None:
    fake, real = random(40, 3, seed=11), random(30, 3, seed=12) + 0.4
    x, y = fake.double().numpy(), real.double().numpy()
    draw = np.random.default_rng(0)
    distances = []
    for _ in range(3000):
        chosen = draw.integers(0, 40, 40)
        kernel = (x[chosen] @ x[chosen].T / 3 + 1) ** 3
        different = chosen[:, None] != chosen[None, :]
        distances.append(kernel[different].mean() - 2 * ((x[chosen] @ y.T / 3 + 1) ** 3).mean())
    found = kernel_distance_deviation(fake, real, resamples=3000)
    assert found == pytest.approx(np.std(distances, ddof=1), rel=0.08)  # two estimates, each good to 1.3 %


def test_the_deviation_is_zero_where_all_pairs_are_alike() -> None:
    """Orthogonal fakes: k = 1 for each pair of two, and 19^3 for one with its own copy, which must not be seen."""
    assert kernel_distance_deviation(30 * torch.eye(50), torch.zeros(20, 50)) == pytest.approx(0, abs=1e-7)


def test_the_deviation_predicts_that_of_fresh_draws() -> None:
    """Fakes drawn anew 300 times against the same reals; within 25 % where the laws differ, within 2 where not."""
    real = random(200, 6, seed=13)
    for shift, low, high in ((0.5, 0.75, 1.25), (0.0, 0.8, 2.0)):
        fresh = np.std([whole(random(200, 6, seed=1000 + s) + shift, real) for s in range(300)], ddof=1)
        predicted = [
            kernel_distance_deviation(random(200, 6, seed=2000 + s) + shift, real, resamples=100) for s in range(10)
        ]
        assert low < np.mean(predicted) / fresh < high


@pytest.mark.parametrize("subsets", [5, 10])
def test_the_deviation_of_the_mean_over_subsets_has_that_of_their_draw(subsets: int) -> None:
    """Fakes and subsets drawn anew 300 times against the same reals."""
    real = random(200, 6, seed=13)

    def drawn(seed: int) -> tuple[Tensor, KernelDistance]:
        fake = random(200, 6, seed=seed) + 0.5
        return fake, kernel_distance(fake, real, subsets=subsets, subset_size=20, seed=seed)

    fresh = np.var([drawn(1000 + s)[1].mean for s in range(300)], ddof=1)
    found = [drawn(2000 + s) for s in range(40)]
    whole, of_fakes = (
        np.mean(
            [kernel_distance_deviation(fake, real, kernel=kernel and one, resamples=50) ** 2 for fake, one in found]
        )
        for kernel in (True, None)
    )
    assert whole / fresh == pytest.approx(1, abs=0.4)  # of variances
    assert of_fakes / fresh < 0.5


def test_the_deviation_of_the_draw_is_the_standard_error_of_a_mean() -> None:
    values = np.array([1.0, 2.0, 6.0])
    kernel = KernelDistance(values.mean(), values.std(), 3)
    assert kernel.deviation_of_draws == pytest.approx(values.std(ddof=1) / 3**0.5)


def test_the_draw_of_one_subset_has_no_deviation_that_is_known() -> None:
    fake, real = random(40, 3, seed=11), random(30, 3, seed=12) + 0.4
    kernel = kernel_distance(fake, real, subsets=1, subset_size=10)
    assert kernel_distance_deviation(fake, real, kernel=kernel) == kernel_distance_deviation(fake, real)


def test_the_deviation_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = random(101, 4, seed=14), random(70, 4, seed=15)
    expected = kernel_distance_deviation(fake, real)
    monkeypatch.setattr("papergan.metrics.kernel_distance.ROWS_PER_BLOCK", 17)
    assert kernel_distance_deviation(fake, real) == pytest.approx(expected, rel=1e-4)


def test_the_deviation_of_too_many_fakes_is_that_of_some_drawn_by_the_seed() -> None:
    """In order, the first hundred are all alike and have no deviation."""
    fake, real = torch.cat([torch.zeros(100, 4), random(900, 4, seed=14)]), random(70, 4, seed=15) + 1
    one, other = (kernel_distance_deviation(fake, real, limit=100, seed=seed, resamples=200) for seed in (0, 1))
    everything = kernel_distance_deviation(fake, real, resamples=200)
    assert one != other
    assert one == kernel_distance_deviation(fake, real, limit=100, seed=0, resamples=200)
    assert one / everything == pytest.approx(1, rel=0.2)  # of all thousand, not of the hundred
    assert kernel_distance_deviation(fake, real, limit=1000) == kernel_distance_deviation(fake, real)


@pytest.mark.parametrize("offset", [0.0, 3.0, 7.5, 30.0, 1e3, 1e4])
def test_features_far_from_the_origin_lose_no_digits(offset: float) -> None:
    """Against extended precision: k is of the order of offset^6, and what tells two sets apart of offset^4 / N."""
    fake, real = (random(60, 32, seed=s) + offset for s in (20, 21))
    parts = [kernel_distance(fake, real, subsets=1, subset_size=30, seed=s).mean for s in range(4)]
    expected = [extended(*(subsets(some, draw) for some in (fake, real))) for draw in map(draw_of, range(4))]
    assert parts == pytest.approx(expected, abs=1e-3 * float(np.std(expected)))
    is_distributed = kernel_distance(fake, real, subsets=4, subset_size=30)
    one = draw_of(0)
    values = [extended(subsets(fake, one), subsets(real, one)) for _ in range(4)]
    assert is_distributed.mean == pytest.approx(float(np.mean(values)), abs=1e-3 * float(np.std(values)))
    assert is_distributed.std == pytest.approx(float(np.std(values)), rel=1e-3)


def test_the_deviation_far_from_the_origin_loses_no_digits() -> None:
    fake, real, count = random(50, 32, seed=22) + 1e4, random(40, 32, seed=23) + 1e4, 50
    weights = _multinomial_counts(count, 30, 0).numpy().astype(np.longdouble)
    x, y = fake.numpy().astype(np.longdouble), real.numpy().astype(np.longdouble)
    among = (x @ x.T / 32 + 1) ** 3
    np.fill_diagonal(among, 0)
    pairs = count**2 - (weights**2).sum(1)
    across = ((x @ y.T / 32 + 1) ** 3).mean(1)
    values = ((weights @ among) * weights).sum(1) / pairs - 2 * weights @ across / count
    found = kernel_distance_deviation(fake, real, resamples=30)
    assert found == pytest.approx(float(values.std(ddof=1)), rel=1e-3)


def test_usual_features_stay_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is quicker. Seven deviations from the origin are usual, ten are not."""
    seen, kernel = set(), kernel_distance_module._kernel
    monkeypatch.setattr(kernel_distance_module, "_kernel", lambda a, b: seen.add(a.dtype) or kernel(a, b))
    for measure in (kernel_distance, kernel_distance_deviation):
        for offset, dtype in ((6.0, torch.float32), (10.0, torch.float64)):
            seen.clear()
            measure(random(60, 128, seed=1) + offset, random(60, 128, seed=2) + offset)
            assert seen == {dtype}


def draw_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_for(seed, "kernel distance"))


def subsets(features: Tensor, draw: torch.Generator) -> Tensor:
    return features[torch.randperm(len(features), generator=draw)[:30]]


def extended(fake: Tensor, real: Tensor) -> float:
    x, y = (some.numpy().astype(np.longdouble) for some in (fake, real))
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    pairs = len(x) * (len(x) - 1)
    return float((xx.sum() - np.trace(xx)) / pairs + (yy.sum() - np.trace(yy)) / pairs - 2 * xy.mean())


def test_what_cannot_be_compared_is_refused() -> None:
    good = torch.zeros(20, 3)
    for measure in (kernel_distance, kernel_distance_deviation):
        with pytest.raises(EvaluationError, match="dimension 3 and 4"):
            measure(good, torch.zeros(20, 4))
        for bad in (float("nan"), float("inf")):
            with pytest.raises(EvaluationError, match="real features contain NaN"):
                measure(good, torch.full((20, 3), bad))
            with pytest.raises(EvaluationError, match="fake features contain NaN"):
                measure(torch.full((20, 3), bad), good)
        with pytest.raises(EvaluationError, match=r"real features \[N >= 2, D\]"):
            measure(good, torch.zeros(1, 3))
        with pytest.raises(EvaluationError, match="fake features"):
            measure(torch.zeros(20), good)
    with pytest.raises(EvaluationError, match="N >= 10"):
        kernel_distance_deviation(torch.zeros(9, 3), good)
    with pytest.raises(EvaluationError, match="2 resamples"):
        kernel_distance_deviation(good, good, resamples=1)
    for subsets, size in ((0, 10), (10, 1)):
        with pytest.raises(EvaluationError, match="subsets of at least 2"):
            kernel_distance(good, good, subsets=subsets, subset_size=size)
