"""Fully connected generators, discriminators and encoders."""
