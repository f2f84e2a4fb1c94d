"""Networks that grow, and networks that styles control: ProGAN, StyleGAN, StyleGAN2."""
