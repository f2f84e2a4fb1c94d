"""Names of terms in reports, histories and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.game.terms import Term


def term_names(player: str, terms: Sequence[Term]) -> tuple[str, ...]:
    """Unique names of the terms of a turn, "player.term".

    Further terms of the same kind get the name of their discriminator as a suffix, "player.term_discriminator_b", or,
    if that is the same too, a number, "player.term_2".
    """
    found: dict[str, list[str]] = {}  # discriminators, by kind
    names = []
    for term in terms:
        before = found.setdefault(term.name, [])
        other = term.match.discriminator if term.match.discriminator not in before else len(before) + 1
        names.append(f"{player}.{term.name}" + (f"_{other}" if before else ""))
        before.append(term.match.discriminator)
    return tuple(names)
