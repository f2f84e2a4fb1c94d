"""Names of terms in reports, histories and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.game.terms import Term


def term_names(player: str, terms: Sequence[Term]) -> tuple[str, ...]:
    """Names of the terms of a turn, "player.term", each once.

    A further one of the same kind has its discriminator behind it, "player.term_discriminator_b", or where that is the
    same as well a number, "player.term_2".
    """
    found: dict[str, list[str]] = {}  # discriminators, by kind
    names = []
    for term in terms:
        before = found.setdefault(term.name, [])
        other = term.match.discriminator if term.match.discriminator not in before else len(before) + 1
        names.append(f"{player}.{term.name}" + (f"_{other}" if before else ""))
        before.append(term.match.discriminator)
    return tuple(names)
