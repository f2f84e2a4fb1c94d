"""Measures of a trial, of results that are made up."""

from types import SimpleNamespace

import pytest

from papergan.studies.measures import fid_on_the_way


def test_the_fid_on_the_way_is_by_inception_where_there_is_one():
    rows = [{"domain_fid": 1.0, "fid": 2.0}, {"step": 2.0}, {"domain_fid": 1.0, "fid": 8.0, "domain64_fid": 1.0}]
    assert fid_on_the_way(SimpleNamespace(history=SimpleNamespace(metrics=rows))) == pytest.approx(4.0)
    others = [{"torchvision_fid": 1.0, "domain_fid": 3.0}]
    assert fid_on_the_way(SimpleNamespace(history=SimpleNamespace(metrics=others))) == pytest.approx(3.0)
