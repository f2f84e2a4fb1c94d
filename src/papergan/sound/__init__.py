"""Sounds: data sets, WAV files, mel spectrograms, a classifier, and the scores of generated sounds."""
