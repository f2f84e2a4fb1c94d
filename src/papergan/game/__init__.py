"""The core: a GAN as a game of players with optimisers, turns and objectives, independent of any system or paper."""
