"""Quoting of foreign text (names, keys, errors from files) in messages: printable, on one line, bounded."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_SHOWN = 300
_QUOTED = 120
_FIRST = 200
_ACCOUNT = re.compile(r"""(?<=://)[^\s"'/@:]*:[^\s"']*@""")
_SECRET = re.compile(r"""([?&](?:password|passwd|pwd|token|secret|sig|sslpassword)=)[^\s"'&#]+""", re.IGNORECASE)


def quoted(something: object) -> str:
    """What was given, as Python writes it, for a message: of more than 120 characters only the beginning."""
    try:
        text = sanitise(repr(something))
    except (ValueError, RecursionError):  # whole numbers beyond 4300 digits, trees beyond the interpreter's depth
        text = f"something too large to be shown, of type {type(something).__name__}"
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


def sanitise(something: object) -> str:
    r"""Its text, printable and on one line: `a\nb` for two lines. Of a very long one, only the two ends.

    Without passwords, as in `without_password`: errors of libraries have whole addresses in them.
    """
    text = without_password(str(something))
    if len(text) > 2 * _SHOWN:
        text = f"{text[:_SHOWN]}...{text[-_SHOWN:]}"
    return on_one_line(text)


def on_one_line(text: str) -> str:
    r"""The text with all that is not printable as Python writes it: `\n`, `\x1b`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def without_password(text: str) -> str:
    """The text with passwords in addresses masked: no "user:password@", and `?password=***` (token, secret, sig).

    A text without a password is returned unchanged.
    """
    return _SECRET.sub(r"\1***", _ACCOUNT.sub("", text))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, of at most 200 characters; its type where it has none."""
    return sanitise(next(iter(str(error).strip().splitlines()), type(error).__name__))[:_FIRST]


def first_cause(error: BaseException) -> str:
    """The first error of a chain of errors, in one line of at most 300 characters."""
    while error.__context__ is not None:
        error = error.__context__
    return without_password(" ".join(f"{type(error).__name__}: {error}".split()))[:_SHOWN]


@contextmanager
def quiet_libraries(*loggers: str, level: int = logging.CRITICAL) -> Iterator[None]:
    """No warnings inside the block, and of these loggers nothing below `level`; both are as before afterwards."""
    found = [logging.getLogger(name) for name in loggers]
    before = [one.level for one in found]
    for one in found:
        one.setLevel(level)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, old in zip(found, before, strict=True):
            one.setLevel(old)
