"""One server for all runs that are harmed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.subject import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()
