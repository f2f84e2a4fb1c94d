"""Many trainings and one table: trials, their aggregation over seeds, and claims held against the numbers."""
