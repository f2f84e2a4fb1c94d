"""The training loop: any game, any images, resumable."""
