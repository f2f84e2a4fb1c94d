"""One thread everywhere: what is tested is small, and results are compared bit for bit with those of subprocesses."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is first imported, here and in subprocesses

import torch

torch.set_num_threads(1)

from pathlib import Path  # noqa: E402 - after the thread count

import pytest  # noqa: E402


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data sets, where there is one."""
    for folder in (os.environ.get("PAPERGAN_DATA"), Path(__file__).parents[2] / "shared" / "data"):
        if folder and (Path(folder) / "cifar10" / "test.parquet").is_file():
            return Path(folder)
    pytest.skip("needs real CIFAR-10: set PAPERGAN_DATA to the folder that holds cifar10/test.parquet")
