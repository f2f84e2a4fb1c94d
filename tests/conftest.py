"""One thread everywhere: what is tested is small, and results are compared bit for bit with those of subprocesses."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is first imported, here and in subprocesses

import torch

torch.set_num_threads(1)

from pathlib import Path  # noqa: E402 - after the thread count

import pytest  # noqa: E402

from helpers.keyed_tests import keys_of, parameters_of  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--system", metavar="NAME", help="run only the tests that are keyed to this system")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --system, what is left is what has the system, or a game of two ranks of it, as a parameter."""
    name = config.getoption("--system")
    if name is None:
        return
    asked = keys_of(name)
    chosen = [item for item in items if asked & parameters_of(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data sets, where there is one."""
    for folder in (os.environ.get("PAPERGAN_DATA"), Path(__file__).parents[2] / "shared" / "data"):
        if folder and (Path(folder) / "cifar10" / "test.parquet").is_file():
            return Path(folder)
    pytest.skip("needs real CIFAR-10: set PAPERGAN_DATA to the folder that holds cifar10/test.parquet")
