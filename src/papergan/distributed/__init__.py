"""What the processes of one experiment do beside the first one, and what all of them do together."""

from __future__ import annotations

import os


def is_distributed() -> bool:
    """Whether this process was started as one of several, as `torchrun` does. Loads nothing."""
    return os.environ.get("WORLD_SIZE", "1").strip() not in ("", "1")
