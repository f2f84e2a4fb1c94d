"""A GAN is a game: networks, the turns they take, and what each turn minimises. No paper is known here."""
