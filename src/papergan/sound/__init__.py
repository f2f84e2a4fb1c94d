"""Sounds: data sets, WAV files, mel spectrograms, a classifier, and what generated sounds are scored by."""
