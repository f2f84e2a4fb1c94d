"""One thread everywhere: what is tested is small, and results are compared bit for bit with those of subprocesses."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is first imported, here and in subprocesses


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--system", metavar="NAME", help="run only the tests that are keyed to this system")


LONGEST = (  # files of half a minute or more, which workers take first, so that none of them ends last and alone
    "test_end_to_end.py", "pipelines/test_tools.py", "ranks/test_two_ranks.py", "pipelines/test_experiment.py",
    "evaluation/test_metric_sanity.py", "reliability/test_configuration_command.py", "maintenance/test_command.py",
    "metrics/test_fidelity_command.py", "game/test_cuda_graphs.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files come first. With --system, what is left has the system, or two ranks of it, as a parameter."""
    place = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
    name = config.getoption("--system")
    if name is None:
        return
    from helpers.keyed_tests import keys_of, parameters_of  # here, since the process that starts workers needs no torch

    asked = keys_of(name)
    chosen = [item for item in items if asked & parameters_of(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


@pytest.fixture(scope="session", autouse=True)
def _the_same_configuration_is_parsed_once() -> Iterator[None]:
    """OmegaConf takes a second for the files of conf/, which every command reads anew; a copy by pickle takes 30 ms."""
    from omegaconf import OmegaConf

    load, known = OmegaConf.load, {}

    def remembered(file: Any) -> Any:
        text = file.read() if hasattr(file, "read") else Path(file).read_text("utf-8")
        if text not in known:
            known[text] = pickle.dumps(load(io.StringIO(text) if hasattr(file, "read") else file))
        return pickle.loads(known[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", remembered)
        yield


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data sets, where there is one."""
    for folder in (os.environ.get("PAPERGAN_DATA"), Path(__file__).parents[2] / "shared" / "data"):
        if folder and (Path(folder) / "cifar10" / "test.parquet").is_file():
            return Path(folder)
    pytest.skip("needs real CIFAR-10: set PAPERGAN_DATA to the folder that holds cifar10/test.parquet")
