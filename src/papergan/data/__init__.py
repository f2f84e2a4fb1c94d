"""Data sets of images: from raw bytes to checked images."""
