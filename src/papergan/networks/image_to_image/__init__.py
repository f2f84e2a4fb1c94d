"""Networks whose input is an image: translation, inpainting and super-resolution."""
