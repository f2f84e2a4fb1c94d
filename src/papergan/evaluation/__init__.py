"""From images to numbers: feature extractors, their statistics, the scores, and the table that compares them."""
