"""Autoencoders that serve as discriminators or energies: BEGAN, EBGAN."""
