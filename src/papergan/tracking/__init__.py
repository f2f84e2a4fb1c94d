"""What happens while training, told to whoever watches; and what made it."""

from papergan.tracking.tracker import Tracker

__all__ = ["Tracker"]
