"""Evaluation: references, scores of images and of generators, and the score card."""
