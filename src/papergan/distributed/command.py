"""Running a command on several processes: rank 0 executes it, the others run as followers until it ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from papergan.distributed.follower import follow
from papergan.training.process_group import ProcessGroupError, current, join

T = TypeVar("T")


def run_distributed(command: Callable[[], T]) -> T:
    """Join the process group; run the command on rank 0 and follow on the others, which exit when it has ended.

    In a process that joined already, the command alone is run. Exits with 1 where the others do not come.
    """
    if current() is not None:
        return command()
    try:
        process_group = join()
    except ProcessGroupError as error:
        sys.stderr.write(f"papergan: {error}\n")
        sys.exit(1)
    if process_group.rank:
        sys.exit(follow(process_group))
    try:
        return command()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the end
        process_group.leave()
