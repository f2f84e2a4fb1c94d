"""From bytes to checked images."""
