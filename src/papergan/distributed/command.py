"""A command that several processes were started with: rank 0 runs it, the others follow until it dismisses them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from papergan.distributed.follower import follow
from papergan.training.process_group import ProcessGroupError, current, join

T = TypeVar("T")


def in_a_team(command: Callable[[], T]) -> T:
    """Meet the other processes; on rank 0 run the command and, however it ends, dismiss them. Others exit when it has.

    Where this process is in a team already, the command alone is run. Exits with 1 where the others do not come.
    """
    if current() is not None:
        return command()
    try:
        team = join()
    except ProcessGroupError as error:
        sys.stderr.write(f"papergan: {error}\n")
        sys.exit(1)
    if team.rank:
        sys.exit(follow(team))
    try:
        return command()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is to be said has been said
        team.leave()
