"""`kedro clean`: what may be removed from the disk, why, and its removal."""
