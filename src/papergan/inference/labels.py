"""Class labels and members of a mixture as given by users: names or numbers, one or several."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted

MAX_SAMPLES = 10**9 - 1  # file names have up to nine digits
MAX_DIGITS = 20  # of a class number
Labels = int | str | Sequence[int | str] | None
Members = int | Sequence[int] | Tensor | None


def label_indices(labels: Labels, classes: Sequence[str], num_classes: int) -> Tensor | None:
    """Indices int64 [L] of classes by name or number; None for None.

    Names take precedence over numbers: "7" is the class named 7 if there is one, else class 7.
    Raises RecipeError for a class that does not exist, with close matches, and for an empty list.
    """
    if labels is None:
        return None
    try:
        given: list[int | str] = [labels] if isinstance(labels, str) else list(labels)  # type: ignore[arg-type]
    except TypeError:  # one number, from any library
        given = [labels]  # type: ignore[list-item]
    if not given:
        raise RecipeError("labels: expected one class or more, got an empty list; leave labels out for all of them")
    return torch.tensor([_index(one, classes, num_classes) for one in given], dtype=torch.int64)


def member_indices(members: Members, count: int) -> Tensor | None:
    """Indices int64 [L] of the members of a mixture of `count` generators; None for None.

    Raises RecipeError if there is no mixture (count 0), and for anything but the number of a member.
    """
    if members is None:
        return None
    if not count:
        raise RecipeError("members: this generator is not a mixture; leave members out")
    try:
        given = torch.as_tensor(members).reshape(-1)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        given = torch.empty(0)
    whole = given.dtype not in (torch.bool, torch.complex64, torch.complex128) and not given.is_floating_point()
    if not (whole and len(given) and int(given.min()) >= 0 and int(given.max()) < count):
        raise RecipeError(f"members: expected one or several of 0 to {count - 1}, got {quoted(members)}")
    return given.long().cpu()


def _index(label: int | str, classes: Sequence[str], num_classes: int) -> int:
    if isinstance(label, str):
        if label in classes:
            return list(classes).index(label)
        digits = label.strip()
        if not digits.isdecimal() or len(digits) > MAX_DIGITS:
            raise RecipeError(f"unknown class {quoted(label)}{did_you_mean(label, classes)}")
        label = int(digits)
    try:
        number = operator.index(label)
    except (TypeError, ValueError):
        raise RecipeError(f"labels: expected names or numbers of classes, got {quoted(label)}") from None
    if not 0 <= number < num_classes:
        raise RecipeError(f"class {number} does not exist: there are {num_classes}, numbered from 0")
    return number


def check_count(n: int) -> None:
    """Raise RecipeError for an invalid number of samples."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_SAMPLES:
        raise RecipeError(f"expected 1 to {MAX_SAMPLES} samples, got {quoted(n)}")
