"""What others wrote, in messages of ours: names, keys and errors come from files, and files may say anything."""

from __future__ import annotations

_SHOWN = 300


def one_line(something: object) -> str:
    r"""Its text, printable and on one line: `a\nb` for two lines. Of a very long one, only the two ends."""
    text = str(something)
    if len(text) > 2 * _SHOWN:
        text = f"{text[:_SHOWN]}...{text[-_SHOWN:]}"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
