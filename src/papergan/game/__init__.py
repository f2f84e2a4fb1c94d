"""The kernel: a GAN as a game of players with optimisers, turns and objectives. It knows no system and no paper."""
