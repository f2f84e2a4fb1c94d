"""A game small enough to check by hand."""

from __future__ import annotations

import pytest

from papergan.game.game import Game
from tiny_game import tiny_game


@pytest.fixture
def game() -> Game:
    return tiny_game()
