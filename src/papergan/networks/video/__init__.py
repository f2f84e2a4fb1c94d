"""Networks for video clips, frame by frame: MoCoGAN."""
