"""A metric over runs."""

from papergan.reporting.seed_groups import Measured, measured


def test_the_deviation_of_one_value_is_that_of_its_own_run():
    rows = [{"is_std": 9.0}, {"kid_mean": 0.1, "kid_bootstrap": 0.01}, {"fid_bootstrap": 5.0, "fid": 3.0}]
    assert measured("kid_mean", rows) == Measured(0.1, 0.01, 1)
    assert measured("fid", rows) == Measured(3.0, 5.0, 1)
