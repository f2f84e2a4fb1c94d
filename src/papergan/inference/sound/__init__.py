"""Trained sound models: load, sample, restore, WAV files, the model card."""
