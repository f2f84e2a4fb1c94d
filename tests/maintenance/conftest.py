"""What every test of cleaning begins with."""

from __future__ import annotations

import pytest

from helpers.fake_workspace import FakeWorkspace


@pytest.fixture
def work(tmp_path) -> FakeWorkspace:
    return FakeWorkspace(tmp_path.resolve())
