"""Tables, pages, image grids and animations, and the published numbers beside which results stand."""
