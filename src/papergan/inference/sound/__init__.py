"""Trained models of sounds: load, sample, restore, WAV files, the model card."""
