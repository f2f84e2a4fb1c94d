"""Experiments on several processes: followers, and evaluation shared by all ranks."""

from __future__ import annotations

import os


def is_distributed() -> bool:
    """Whether this process was started as one of several, by `torchrun` for example. Imports nothing."""
    return os.environ.get("WORLD_SIZE", "1").strip() not in ("", "1")
