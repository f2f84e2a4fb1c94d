"""Networks of sounds: WaveGAN and MelGAN."""
