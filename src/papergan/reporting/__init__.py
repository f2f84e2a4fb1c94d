"""Tables, pages, image grids and animations, and the published numbers that results are compared with."""
