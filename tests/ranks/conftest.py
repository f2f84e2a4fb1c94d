"""One pair of processes, started once, whose results many tests look at."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from helpers.two_ranks import WORLD, start


@pytest.fixture(scope="package")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank came to, by game; rank 0 also played alone, and led."""
    folder = tmp_path_factory.mktemp("ranks")
    ranks = start(folder)
    try:
        outputs = [rank.communicate(timeout=200)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * WORLD, "\n".join(outputs)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]
