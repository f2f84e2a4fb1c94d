"""`kedro clean`: which files may be removed from the disk, for what reason, and their removal."""
