"""Networks of clips, frame after frame: MoCoGAN."""
