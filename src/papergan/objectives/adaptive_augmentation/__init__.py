"""Adaptive discriminator augmentation (ADA): its transformations, and the probability that they follow."""
