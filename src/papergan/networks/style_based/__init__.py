"""Progressively growing and style-based networks: ProGAN, StyleGAN, StyleGAN2."""
