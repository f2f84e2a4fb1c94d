"""Networks for sounds: WaveGAN and MelGAN."""
