"""What is left out of a user's images, by reason, with a few names of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from papergan.messages import sanitise

_NAMED = 3  # files of each reason that the summary names


@dataclass
class Skipped:
    """Counts and the first names by reason. `str` of it is the summary, "skipped 3: 2 damaged (a.png, b.png), ..."."""

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, where: str) -> None:
        """One file, or row of a file."""
        self.counts[why] = self.counts.get(why, 0) + 1
        known = self.names.setdefault(why, [])
        if len(known) < _NAMED:
            known.append(where)

    def copy(self) -> Skipped:
        """To count on without changing this one."""
        return Skipped(dict(self.counts), {why: list(names) for why, names in self.names.items()})

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        if not self:
            return "nothing is skipped"
        reasons = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return f"skipped {len(self)}: {', '.join(f'{count} {why} ({self._some(why)})' for why, count in reasons)}"

    def _some(self, why: str) -> str:
        more = ", ..." if self.counts[why] > len(self.names[why]) else ""
        return ", ".join(map(sanitise, self.names[why])) + more
