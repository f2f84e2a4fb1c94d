from __future__ import annotations

import itertools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.nearest_neighbours import SPARE, Neighbourhoods, nearest, neighbourhoods
from papergan.metrics.pairwise_distances import nearest_by_differences


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def distances(a: Tensor, b: Tensor) -> np.ndarray:
    """Squared, from differences, in float64."""
    return ((a.double().numpy()[:, None] - b.double().numpy()[None]) ** 2).sum(-1)


def radii(points: Tensor, k: int) -> np.ndarray:
    own = distances(points, points)
    np.fill_diagonal(own, np.inf)
    return np.sort(own, axis=1)[:, k - 1]


def brute_force(fake: Tensor, real: Tensor, manifold_k: int, density_k: int) -> Neighbourhoods:
    """Every formula on whole matrices; the leave-one-out classifier on the joined set, without ties."""
    across = distances(fake, real)
    joined = torch.cat([fake, real])
    is_fake = np.arange(len(joined)) < len(fake)
    own = distances(joined, joined)
    np.fill_diagonal(own, np.inf)
    right = is_fake[own.argmin(1)] == is_fake
    return Neighbourhoods(
        precision=float((across <= radii(real, manifold_k)[None]).any(1).mean()),
        recall=float((across <= radii(fake, manifold_k)[:, None]).any(0).mean()),
        density=float((across <= radii(real, density_k)[None]).sum() / (density_k * len(fake))),
        coverage=float((across.min(0) <= radii(real, density_k)).mean()),
        two_sample_accuracy=float((right[is_fake].mean() + right[~is_fake].mean()) / 2),
    )


def line(*places: float) -> Tensor:
    return torch.tensor(places)[:, None]


def cluster(centre: float, count: int, seed: int) -> Tensor:
    return centre + 0.1 * random(count, 2, seed=seed)


@pytest.mark.parametrize("block", [1, 7, 64, 2048])
def test_nearest_equals_a_sorted_matrix_whatever_the_blocks(block: int) -> None:
    queries, base = random(45, 6, seed=0), random(71, 6, seed=1)
    expected = distances(queries, base)
    found, indices = nearest(queries, base, 4, block=block)
    assert (found.dtype, indices.dtype) == (torch.float32, torch.int64)
    np.testing.assert_array_equal(indices.numpy(), expected.argsort(1)[:, :4])
    np.testing.assert_allclose(found.numpy(), np.sort(expected, 1)[:, :4], rtol=1e-6)


@pytest.mark.parametrize("block", [5, 2048])
def test_a_row_is_left_out_by_its_index_and_its_duplicate_is_not(block: int) -> None:
    base = random(33, 5, seed=2)
    base[20] = base[3]
    own = distances(base, base)
    np.fill_diagonal(own, np.inf)
    found, indices = nearest(base, base, 3, exclude_self=True, block=block)
    np.testing.assert_allclose(found.numpy(), np.sort(own, 1)[:, :3], rtol=1e-6)
    assert (int(indices[3, 0]), int(indices[20, 0])) == (20, 3)
    assert float(found[3, 0]) == 0
    assert not bool((indices == torch.arange(33)[:, None]).any())
    assert nearest(base, base, 1)[1][5, 0] == 5  # where it is not left out


def test_a_copy_is_at_exactly_zero_even_far_from_the_origin() -> None:
    """|x|^2 + |y|^2 - 2 x.y alone leaves 0.01 to 100 here."""
    base = 1000 + random(300, 64, seed=3)
    found, indices = nearest(base[100:150], base, 2)
    assert torch.equal(found[:, 0], torch.zeros(50))
    assert torch.equal(indices[:, 0], torch.arange(100, 150))
    np.testing.assert_allclose(found[:, 1].numpy(), np.sort(distances(base[100:150], base), 1)[:, 1], rtol=1e-6)


def test_precision_is_about_fakes_and_recall_about_reals() -> None:
    """A generator that has one of two clusters is precise and forgets; one that has a cluster too many, the reverse."""
    one, two = cluster(0, 200, 4), torch.cat([cluster(0, 200, 5), cluster(50, 200, 6)])
    forgets = neighbourhoods(fake=one, real=two)
    assert forgets.precision > 0.9
    assert 0.4 < forgets.recall <= 0.5
    assert forgets.density > 0.9
    assert 0.4 < forgets.coverage <= 0.5
    invents = neighbourhoods(fake=two, real=one)
    assert 0.4 < invents.precision <= 0.5
    assert invents.recall > 0.9
    assert 0.4 < invents.density < 0.6
    assert invents.coverage > 0.9


def test_identical_sets_are_perfect_except_for_the_classifier() -> None:
    """Copies: every ball holds its centre and its k neighbours, so that density is (k + 1) / k; accuracy tells."""
    real = 100 + random(500, 40, seed=7)
    found = neighbourhoods(real, real.clone(), manifold_k=3, density_k=3)
    assert found == Neighbourhoods(1.0, 1.0, pytest.approx(4 / 3, rel=1e-12), 1.0, 0.0)
    shuffled = neighbourhoods(real[torch.randperm(500)], real, manifold_k=3, density_k=3, block=64)
    assert shuffled == found


def test_disjoint_sets_are_zero_and_told_apart() -> None:
    assert neighbourhoods(cluster(0, 50, 8), cluster(9, 50, 9)) == Neighbourhoods(0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("offset", [0.0, 0.25, 1e3])
def test_ten_times_one_real_image(offset: float) -> None:
    """Reals 0..9, fakes all at 4: in the balls of 3, 4 and 5 (border included); fake balls of radius 0 reach only 4."""
    real = line(*range(10)) + offset
    found = neighbourhoods(real[4:5].repeat(10, 1), real, manifold_k=1, density_k=1)
    assert found.precision == 1
    assert found.recall == pytest.approx(0.1)
    assert found.density == pytest.approx(3)
    assert found.coverage == pytest.approx(0.3)
    # Every fake: a fake and real 4 both at distance 0. Reals: 4 is wrong, 3 and 5 have real and fake both at 1.
    assert found.two_sample_accuracy == pytest.approx((0.5 + (7 + 2 * 0.5) / 10) / 2)


def test_a_line_by_hand() -> None:
    """Reals 0, 1, 2, 3 with balls of radius 1; fakes -0.5, 1.5, 10, 20: distances 2, 2, 8.5, 10 to each other."""
    found = neighbourhoods(line(-0.5, 1.5, 10, 20), line(0, 1, 2, 3), manifold_k=1, density_k=1)
    assert found.precision == 0.5  # -0.5 and 1.5
    assert found.recall == 1.0  # [-2.5, 1.5] and [-0.5, 3.5]
    assert found.density == 3 / 4  # -0.5 in the ball of 0, 1.5 in those of 1 and 2
    assert found.coverage == 0.75  # all but 3
    assert found.two_sample_accuracy == (0.25 + 0.25) / 2  # right: 20, nearest to 10, and 3, nearest to 2


@pytest.mark.parametrize("block", [16, 100, 2048])
def test_agrees_with_brute_force_whatever_the_blocks(block: int) -> None:
    fake, real = 1.1 * random(150, 6, seed=10), random(190, 6, seed=11)
    found = neighbourhoods(fake, real, manifold_k=2, density_k=4, block=block)
    assert asdict(found) == pytest.approx(asdict(brute_force(fake, real, 2, 4)), rel=1e-12)
    found = neighbourhoods(fake, real, manifold_k=5, density_k=1, block=block)
    assert asdict(found) == pytest.approx(asdict(brute_force(fake, real, 5, 1)), rel=1e-12)


def test_agrees_with_torch_fidelity() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_prc")
    fake, real = 0.9 * random(400, 10, seed=12), random(350, 10, seed=13)
    for in_parts in (False, True):
        theirs = reference.prc_features_to_metric(fake, real, save_cpu_ram=in_parts, verbose=False)
        ours = neighbourhoods(fake, real)
        assert ours.precision == pytest.approx(theirs["precision"], abs=1e-6)
        assert ours.recall == pytest.approx(theirs["recall"], abs=1e-6)


def test_a_common_offset_changes_nothing() -> None:
    """Multiples of 1/1024, so that adding 100 loses no bit and every score must come out the same."""
    fake, real = ((random(200, 64, seed=s) * 1024).round() / 1024 for s in (14, 15))
    assert neighbourhoods(fake + 100, real + 100) == neighbourhoods(fake, real)


def test_an_outlier_and_blank_images_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances are computed again only for pairs that need it: never for all, whatever the largest feature is."""
    again = []

    def counted(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
        again.append(len(rows))
        return (a[rows].double() - b[columns].double()).square().sum(1).float()

    for module in ("nearest_neighbours", "pairwise_distances"):
        monkeypatch.setattr(f"papergan.metrics.{module}.squared_distances", counted)
    fake, real = random(300, 16, seed=23), random(300, 16, seed=24)
    fake[7] = 1e4
    for found in (neighbourhoods(fake, real), neighbourhoods(torch.zeros(300, 4), torch.zeros(300, 4))):
        assert found.two_sample_accuracy == pytest.approx(0.5, abs=0.1)
    candidates = (5 + 3 + 2) * 300 + 4 * SPARE * 300
    assert sum(again) < 2 * (candidates + 2000)  # and less than 1 % of the pairs


def in_clusters(spread: float, offset: float = 0.0) -> list[Tensor]:
    """Fakes and reals about the same ten points, whose distance is about 30."""
    modes = random(10, 448, seed=25)
    draw = torch.Generator().manual_seed(26)
    chosen = [modes[torch.randint(10, (160,), generator=draw)] for _ in range(2)]
    return [some + spread * random(160, 448, seed=27 + i) + offset for i, some in enumerate(chosen)]


@pytest.mark.parametrize(("spread", "offset"), [(1e-1, 0.0), (1e-3, 1e3), (1e-5, 0.0), (1e-7, 0.0)])
def test_tight_clusters_far_apart_are_exact(spread: float, offset: float) -> None:
    """Float32 products lose the distances within a cluster from about 1e-3 on, float64 products from 1e-7 on."""
    fake, real = in_clusters(spread, offset)
    found = neighbourhoods(fake, real, block=100)
    assert asdict(found) == pytest.approx(asdict(brute_force(fake, real, 3, 5)), rel=1e-12)
    expected = distances(fake, real)
    squares, indices = nearest(fake, real, 4, block=100)
    np.testing.assert_array_equal(squares.numpy(), np.sort(expected, 1)[:, :4].astype(np.float32))
    np.testing.assert_array_equal(indices.numpy(), expected.argsort(1)[:, :4])


def test_near_duplicates_outliers_and_copies_among_clusters_are_exact() -> None:
    fake, real = in_clusters(1e-3)
    fake[:50], real[:40] = fake[0], fake[0]
    fake[100:120] = fake[99] * (1 + 1e-7 * torch.arange(20)[:, None])
    fake[-1], real[-1] = 20 * fake[-1], -100 * real[-1]
    expected = asdict(brute_force(fake, real, 3, 5))
    del expected["two_sample_accuracy"]  # it has ties, which the formula there leaves to chance
    found = asdict(neighbourhoods(fake, real, block=64))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    squares, indices = nearest(fake, fake, 5, exclude_self=True, block=64)
    own = distances(fake, fake)
    np.fill_diagonal(own, np.inf)
    np.testing.assert_array_equal(squares.numpy(), np.sort(own, 1)[:, :5].astype(np.float32))
    np.testing.assert_array_equal(np.take_along_axis(own, indices.numpy(), 1).astype(np.float32), squares.numpy())


def test_differences_alone_find_the_same_in_any_window() -> None:
    queries, base = random(150, 6, seed=30), random(200, 6, seed=31)
    expected = distances(queries, base)
    for reach in (np.sort(expected, 1)[:, 2], np.full(150, 1e6)):
        squares, indices = nearest_by_differences(queries, base, 3, torch.from_numpy(reach).float())
        np.testing.assert_array_equal(indices.numpy(), expected.argsort(1)[:, :3])
        np.testing.assert_array_equal(squares.numpy(), np.sort(expected, 1)[:, :3].astype(np.float32))
    own = distances(base, base)
    np.fill_diagonal(own, np.inf)
    reach = torch.from_numpy(np.sort(own, 1)[:, 0]).float()
    squares, indices = nearest_by_differences(base, base, 1, reach, torch.arange(200))
    np.testing.assert_array_equal(indices[:, 0].numpy(), own.argmin(1))


def test_one_law_is_half_told_apart_whatever_the_counts() -> None:
    for fakes, reals in itertools.product((600, 1500), repeat=2):
        found = neighbourhoods(random(fakes, 8, seed=16), random(reals, 8, seed=17))
        assert found.two_sample_accuracy == pytest.approx(0.5, abs=0.04)
    assert found.density == pytest.approx(1, abs=0.1)
    expected = 1 - np.prod([(1500 - i) / (2 * 1500 - 1 - i) for i in range(5)])  # Naeem et al., section 3.3
    assert found.coverage == pytest.approx(expected, abs=0.02)


def test_collapse_is_told_apart_and_copies_are_not() -> None:
    real = random(400, 8, seed=18)
    collapsed = random(4, 8, seed=19).repeat(100, 1) + 0.01 * random(400, 8, seed=20)
    assert neighbourhoods(collapsed, real).two_sample_accuracy > 0.95
    copies = real + 0.001 * random(400, 8, seed=21)
    assert neighbourhoods(copies, real).two_sample_accuracy < 0.01


def test_what_cannot_be_measured_is_refused() -> None:
    good = random(6, 3, seed=22)
    with pytest.raises(EvaluationError, match="one dimension"):
        neighbourhoods(good, torch.zeros(6, 4))
    with pytest.raises(EvaluationError, match="cannot have 5 neighbours among 5"):
        neighbourhoods(good, good[:5])
    with pytest.raises(EvaluationError, match="cannot have 3 neighbours among 3"):
        neighbourhoods(good[:3], good)
    with pytest.raises(EvaluationError, match="0 neighbours"):
        neighbourhoods(good, good, density_k=0)
    for bad in (float("nan"), float("inf"), float("-inf")):
        damaged = good.clone()
        damaged[2, 1] = bad
        with pytest.raises(EvaluationError, match="NaN or infinity"):
            neighbourhoods(damaged, good)
        with pytest.raises(EvaluationError, match="NaN or infinity"):
            nearest(good, damaged, 1)
    with pytest.raises(EvaluationError, match="too far apart"):
        nearest(torch.tensor([[1e30], [0.0]]), torch.tensor([[-1e30], [0.0]]), 1)
    with pytest.raises(EvaluationError, match="among 6; use more"):
        nearest(good, good, 6, exclude_self=True)
    with pytest.raises(EvaluationError, match="queries to be the base"):
        nearest(good[:4], good, 1, exclude_self=True)
    with pytest.raises(EvaluationError, match="0 vectors"):
        nearest(good[:0], good, 1)
