"""A game small enough to check by hand."""

from __future__ import annotations

import pytest

from helpers.tiny_game import tiny_game
from papergan.game.game import Game


@pytest.fixture
def game() -> Game:
    return tiny_game()
