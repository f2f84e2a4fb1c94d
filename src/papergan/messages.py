"""Quoting of untrusted text (names, keys, errors from files) in messages: printable, on one line, of bounded length."""

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
    """The `repr` of a value for a message, truncated to 120 characters."""
    try:
        text = sanitise(repr(something))
    except (ValueError, RecursionError):  # integers of more than 4300 digits, trees deeper than the recursion limit
        text = f"something too large to be shown, of type {type(something).__name__}"
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


def sanitise(something: object) -> str:
    r"""The text of an object, printable and on one line: `a\nb` for two lines. A very long one keeps only its two ends.

    Passwords are removed as by `without_password`: errors from libraries may contain whole URLs.
    """
    text = without_password(str(something))
    if len(text) > 2 * _SHOWN:
        text = f"{text[:_SHOWN]}...{text[-_SHOWN:]}"
    return on_one_line(text)


def on_one_line(text: str) -> str:
    r"""The text with every unprintable character escaped as in Python: `\n`, `\x1b`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def without_password(text: str) -> str:
    """The text with passwords in addresses masked: no "user:password@", and `?password=***` (token, secret, sig).

    A text without a password is returned unchanged.
    """
    return _SECRET.sub(r"\1***", _ACCOUNT.sub("", text))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, of at most 200 characters; the error's type if it has no message."""
    return sanitise(next(iter(str(error).strip().splitlines()), type(error).__name__))[:_FIRST]


def first_cause(error: BaseException) -> str:
    """The first error of a chain of errors, in one line of at most 300 characters."""
    while error.__context__ is not None:
        error = error.__context__
    return without_password(" ".join(f"{type(error).__name__}: {error}".split()))[:_SHOWN]


@contextmanager
def quiet_libraries(*loggers: str, level: int = logging.CRITICAL) -> Iterator[None]:
    """Suppress warnings and messages of these loggers below `level` inside the block; restore both afterwards."""
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
