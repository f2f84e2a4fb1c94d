"""A queue of calls that wait until MLflow accepts them, with a pause after each failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from papergan.messages import sanitise
from papergan.tracking.database import suppressed_mlflow_logs

logger = logging.getLogger(__name__)

Call = Callable[[], object]
RETRY_SECONDS = 60.0  # after a failure, then doubling: an unreachable server blocks for 20 seconds
ATTEMPTS = 3  # at a call that a reachable MLflow rejects: the fault may be MLflow's
_NOBODY = frozenset({"ConnectionError", "Timeout", "TimeoutError"})  # Python's own, and those of the package requests
IN_VAIN = 2  # unanswered calls in a row at the end: a single one may time out by itself


class _Refused(Exception):
    """MLflow answered, but rejected the call."""


class _Away(Exception):
    """MLflow did not answer."""


@dataclass(eq=False)
class _Waiting:
    call: Call
    numbers: int
    order: str
    refused: int = 0


class WaitingCalls:
    """Calls in the order in which they were added. No exception is raised; the first one is logged.

    A rejected call does not block the calls after it, and is sent ATTEMPTS times, with pauses. If there is no answer,
    all of them wait. check: raises quickly if a call would fail slowly.
    """

    def __init__(self, check: Call = lambda: None) -> None:
        self._check = check
        self._calls: list[_Waiting] = []
        self._next_try, self._patience = 0.0, RETRY_SECONDS
        self._warned = False
        self._dropped = [0, 0]
        self._in_vain = 0  # unanswered calls in a row, of the present attempt

    @property
    def unreachable(self) -> bool:
        """Whether the check before the newest call failed, or IN_VAIN calls in a row were unanswered."""
        return self._in_vain >= IN_VAIN

    @property
    def may_try(self) -> bool:
        """Whether there is no pause now."""
        return time.monotonic() >= self._next_try

    @property
    def not_taken(self) -> tuple[int, int]:
        """How many numbers, and calls with other content, were not accepted so far."""
        numbers, others = self._dropped
        return numbers + sum(one.numbers for one in self._calls), others + sum(not one.numbers for one in self._calls)

    def add(self, call: Call, *, numbers: int = 0, order: str = "") -> None:
        """Queue a call for `make`. numbers: how many it writes; 0 if it writes anything else.

        order: calls of the same name, if any, are not made while an earlier one waits, since the later one counts.
        """
        self._calls.append(_Waiting(call, numbers, order))

    def make(self, *, last: bool = False) -> None:
        """Make the calls, unless there is a pause. last: even during a pause, and every waiting call is sent."""
        if not (last or self.may_try):
            return
        failed, held, self._in_vain = False, set[str](), 0
        for one in list(self._calls):
            if one.order in held and not last:
                continue
            try:
                self._offer(one.call)
            except _Refused:
                failed = True
                one.refused += 1
                if one.refused == ATTEMPTS:
                    self._dropped[0 if one.numbers else 1] += one.numbers or 1
                    self._calls.remove(one)
                elif one.order:
                    held.add(one.order)
            except _Away:
                failed = True
                if self.unreachable or not last:
                    break
            else:
                self._calls.remove(one)
        if failed:
            self._pause()
        else:
            self._patience = RETRY_SECONDS

    def make_now(self, call: Call) -> bool:
        """Make one call that does not wait; returns whether it was accepted."""
        try:
            self._offer(call)
        except (_Refused, _Away):
            self._pause()
            return False
        return True

    def _pause(self) -> None:
        self._next_try = time.monotonic() + self._patience
        self._patience *= 2

    def _offer(self, call: Call) -> None:
        """Make a call. Every exception (disk, lock, server) becomes one of the two above."""
        checked = False
        try:
            with suppressed_mlflow_logs():
                self._check()
                checked = True
                call()
        except Exception as error:
            away = not checked or _found_nobody(error)
            self._in_vain = 0 if not away else self._in_vain + 1 if checked else IN_VAIN
            if not self._warned:
                first = str(error).partition("\n")[0]
                logger.warning("MLflow failed, the run goes on without it: %s", sanitise(first or type(error).__name__))
            self._warned = True
            raise (_Away if away else _Refused) from None
        self._in_vain = 0


def _found_nobody(error: BaseException | None) -> bool:
    """Whether a server did not answer, or a database was not available, in an error that MLflow may have wrapped."""
    while error is not None:
        if not _NOBODY.isdisjoint(kind.__name__ for kind in type(error).__mro__):
            return True
        if getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE":
            return True
        error = error.__cause__ or error.__context__
    return False
