"""Adaptive discriminator augmentation (ADA): its transformations, and the probability of applying them."""
