"""Errors that a user can cause: one line that says what is wrong, where, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class PaperganError(Exception):
    """An error that the user can fix; shown as one line, without a traceback."""


class ExperimentsFailedError(PaperganError):
    """Some experiments of a run failed, for reasons that the user can fix; all others are finished."""

    def __init__(self, failed: Mapping[str, PaperganError]) -> None:
        super().__init__("; ".join(f"{name}: {error}" for name, error in failed.items()))
        self.experiments = tuple(failed)


class RecipeError(PaperganError, ValueError):
    """A recipe, or an override of one, does not describe something that can run."""


class DataError(PaperganError, ValueError):
    """Data are missing, damaged, larger than the memory, or not what their declaration says."""


class CheckpointError(PaperganError):
    """A checkpoint is damaged, belongs to something else, or cannot be written."""


class StorageError(PaperganError, OSError):
    """A file cannot be read or written: a full disk, a read-only folder; an existing file there is untouched."""


class MemoryShortError(PaperganError):
    """The device or the host has too little memory for the recipe."""


class EvaluationError(PaperganError):
    """A metric cannot be computed as requested, for example because pretrained weights are missing."""


class EvaluationStopped(EvaluationError):
    """A stop was requested before all images were evaluated, so no score is returned."""


class NotFiniteError(PaperganError, ArithmeticError):
    """A loss, gradient, weight or generated image is NaN or infinite; checkpoints are from before that step."""


class Pruned(Exception):
    """A training run ends early because other trials of its study are ahead of it; not an error."""


_LONGEST = 100  # characters of a name that are compared and shown


def did_you_mean(name: str, known: Iterable[str], instead: str = "") -> str:
    """`"; did you mean 'wgan_gp'?"` if a known name is close to `name`, else the list of known names.

    instead: text shown in place of a list that would be long.
    """
    known = sorted(one[:_LONGEST] for one in known)
    matches = get_close_matches(name[:_LONGEST], known, n=3, cutoff=0.6)
    if matches:
        return f"; did you mean {' or '.join(repr(match) for match in matches)}?"
    if instead:
        return f"; {instead}"
    return f"; known: {', '.join(known) or 'none'}"


def known_cause(error: BaseException | None) -> PaperganError | None:
    """The PaperganError in a chain of exceptions, for example if Kedro wrapped it in its own; else None."""
    while error is not None and not isinstance(error, PaperganError):
        error = error.__cause__
    return error


class Interrupted(SystemExit):
    """Raised after a stop signal, once everything is saved; the exit status is 128 + the signal's number."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(128 + signal_number)
        self.message = message

    def __str__(self) -> str:
        return self.message
